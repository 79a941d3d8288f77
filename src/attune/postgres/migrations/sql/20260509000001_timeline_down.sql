DROP TRIGGER record_timeline ON execution;
DROP TRIGGER record_timeline_change ON execution;
DROP FUNCTION record_timeline;
ALTER TABLE execution DROP COLUMN timeline, DROP COLUMN not_started;
DO $audit$
BEGIN
    EXECUTE replace(pg_get_functiondef('audit_change'::regproc), '''last_heartbeat'', ''timeline'')', '''last_heartbeat'')');
END;
$audit$;
