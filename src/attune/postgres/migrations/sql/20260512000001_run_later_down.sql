-- What was to start later is offered at once, as what is to be tried again.
ALTER TABLE action DROP COLUMN retry_max_delay_seconds, DROP COLUMN grace_seconds;
ALTER TABLE rule DROP COLUMN delay_seconds;
CREATE OR REPLACE FUNCTION held_back(e execution) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN f.paused_at IS NOT NULL THEN format('the fleet is paused since %s by %s',
            to_char(f.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), f.paused_by)
        WHEN a.paused_at IS NOT NULL THEN format('action %s is paused since %s by %s', a.ref,
            to_char(a.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), a.paused_by)
        WHEN e.status = 'scheduling' AND e.not_before > now() THEN format('it is to start at %s',
            to_char(e.not_before AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
        WHEN a.concurrency <= in_use(a.id, true) THEN format('action %s has a concurrency of %s, and as many run', a.ref,
            a.concurrency)
        END
    FROM fleet_watch AS f LEFT JOIN action AS a ON a.id = e.action
    WHERE e.status IN ('requested', 'scheduling') AND e.policy IS NOT NULL
$$;
DROP TRIGGER announce_request ON execution;
CREATE TRIGGER announce_request AFTER INSERT ON execution FOR EACH ROW
    WHEN (NEW.status = 'requested' AND NEW.queue IS NULL) EXECUTE FUNCTION announce_request();
DO $timeline$
BEGIN
    EXECUTE replace(replace(pg_get_functiondef('record_timeline'::regproc),
        'IF NEW.status IN (''requested'', ''scheduling'') AND', 'IF NEW.status = ''requested'' AND'),
        'CASE WHEN NEW.status = ''scheduling'' AND NEW.attempt = 0 THEN ''not before '' || to_char(NEW.not_before'
        ' AT TIME ZONE ''UTC'', ''YYYY-MM-DD HH24:MI:SS "UTC"'') ELSE left(NEW.reason, 500) END', 'left(NEW.reason, 500)');
END;
$timeline$;
UPDATE execution SET not_before = now() WHERE status = 'scheduling' AND policy IS NOT NULL AND attempt = 0;
