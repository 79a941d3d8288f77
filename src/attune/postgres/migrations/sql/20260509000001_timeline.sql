-- What happened to an execution, in its own row: written by whatever changes it, in the same transaction.
ALTER TABLE execution
    ADD COLUMN timeline jsonb NOT NULL DEFAULT '[]',
    -- How often its interpreter could not be executed where it was taken.
    ADD COLUMN not_started integer NOT NULL DEFAULT 0;

-- The first ten entries and the last ninety are kept; those between are missed by their numbers.
CREATE FUNCTION record_timeline() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.timeline := jsonb_build_array(jsonb_build_object('number', 1, 'at', NEW.created, 'status', 'requested',
            'attempt', 0, 'worker', NULL, 'reason', NULL));
        IF NEW.status = 'requested' AND (NEW.queue IS NULL OR NEW.policy IS NULL) THEN
            RETURN NEW;
        END IF;
    ELSIF NEW.status IN ('requested', 'scheduling', 'scheduled') THEN
        NEW.started_at := NULL;
    ELSIF NEW.status = 'running' AND NEW.started_at IS NULL THEN  -- the attempt that was thought lost goes on
        NEW.started_at := (SELECT max((e ->> 'at')::timestamptz) FROM jsonb_array_elements(NEW.timeline) AS e
            WHERE e ->> 'status' = 'running');
    END IF;
    NEW.timeline := NEW.timeline || jsonb_build_object('number', coalesce((NEW.timeline -> -1 ->> 'number')::int, 0) + 1,
        'at', clock_timestamp(), 'status', NEW.status, 'attempt', NEW.attempt,
        'worker', CASE WHEN NEW.status NOT IN ('requested', 'scheduled') THEN NEW.worker_name END,
        'reason', left(NEW.reason, 500));
    IF jsonb_array_length(NEW.timeline) > 100 THEN
        NEW.timeline := NEW.timeline - 10;
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER record_timeline BEFORE INSERT ON execution FOR EACH ROW EXECUTE FUNCTION record_timeline();
CREATE TRIGGER record_timeline_change BEFORE UPDATE ON execution FOR EACH ROW
WHEN (OLD.status <> NEW.status OR NEW.reason <> coalesce(OLD.reason, '') OR OLD.queue IS NULL AND NEW.queue IS NOT NULL)
EXECUTE FUNCTION record_timeline();

-- The audit tells who changed an execution; what that added to its timeline is there.
DO $audit$
BEGIN
    EXECUTE replace(pg_get_functiondef('audit_change'::regproc), '''last_heartbeat'')', '''last_heartbeat'', ''timeline'')');
END;
$audit$;
