-- Executions that are to start later, retries with a back-off, and how long an action has to end by itself.
SET LOCAL check_function_bodies = off;

ALTER TABLE action
    ADD COLUMN retry_max_delay_seconds double precision NOT NULL DEFAULT 300,
    ADD COLUMN grace_seconds double precision CONSTRAINT action_grace CHECK (grace_seconds >= 0);
ALTER TABLE rule ADD COLUMN delay_seconds double precision CONSTRAINT rule_delay CHECK (delay_seconds > 0);

CREATE OR REPLACE FUNCTION held_back(e execution) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN f.paused_at IS NOT NULL THEN format('the fleet is paused since %s by %s',
            to_char(f.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), f.paused_by)
        WHEN a.paused_at IS NOT NULL THEN format('action %s is paused since %s by %s', a.ref,
            to_char(a.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), a.paused_by)
        WHEN e.status = 'scheduling' AND e.not_before > now() THEN format('not before %s (in %s)',
            to_char(e.not_before AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
            CASE WHEN left_seconds < 120 THEN ceil(left_seconds) || ' s' WHEN left_seconds < 7200 THEN
                ceil(left_seconds / 60) || ' m' WHEN left_seconds < 172800 THEN ceil(left_seconds / 3600) || ' h'
                ELSE ceil(left_seconds / 86400) || ' d' END)
        WHEN a.concurrency <= in_use(a.id, true) THEN format('action %s has a concurrency of %s, and as many run', a.ref,
            a.concurrency)
        END
    FROM fleet_watch AS f LEFT JOIN action AS a ON a.id = e.action
    CROSS JOIN LATERAL (SELECT extract(epoch FROM e.not_before - now())) AS t (left_seconds)
    WHERE e.status IN ('requested', 'scheduling') AND e.policy IS NOT NULL
$$;
DROP TRIGGER announce_request ON execution;
CREATE TRIGGER announce_request AFTER INSERT ON execution FOR EACH ROW
    WHEN (NEW.status IN ('requested', 'scheduling') AND NEW.queue IS NULL) EXECUTE FUNCTION announce_request();
DO $timeline$
BEGIN
    EXECUTE replace(replace(pg_get_functiondef('record_timeline'::regproc),
        'IF NEW.status = ''requested'' AND', 'IF NEW.status IN (''requested'', ''scheduling'') AND'), 'left(NEW.reason, 500)',
        'CASE WHEN NEW.status = ''scheduling'' AND NEW.attempt = 0 THEN ''not before '' || to_char(NEW.not_before'
        ' AT TIME ZONE ''UTC'', ''YYYY-MM-DD HH24:MI:SS "UTC"'') ELSE left(NEW.reason, 500) END');
END;
$timeline$;
SET LOCAL check_function_bodies = on;
