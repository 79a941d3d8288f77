-- Executions that are routed, attempted, fenced and explained.

-- Rows that were there before keep NULL as their policy: nobody runs today what was asked for long ago.
ALTER TABLE execution
    ADD COLUMN policy text CONSTRAINT execution_policy CHECK (policy IN ('wait', 'fail', 'cancel')),
    ADD COLUMN requirement text,
    ADD COLUMN queue text,
    ADD COLUMN extra_requires jsonb NOT NULL DEFAULT '[]'::jsonb,
    ADD COLUMN deadline timestamptz,
    ADD COLUMN not_before timestamptz,
    ADD COLUMN job bigint,
    ADD COLUMN attempt integer NOT NULL DEFAULT 0,
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    ADD COLUMN losses integer NOT NULL DEFAULT 0,
    ADD COLUMN retries integer NOT NULL DEFAULT 0,
    ADD COLUMN retry_delay_seconds double precision NOT NULL DEFAULT 1,
    ADD COLUMN on_lost text NOT NULL DEFAULT 'retry',
    ADD COLUMN timeout_seconds double precision,
    ADD COLUMN worker bigint REFERENCES worker (id) ON DELETE SET NULL,
    ADD COLUMN worker_name text,
    ADD COLUMN interpreter jsonb,
    ADD COLUMN exit_code integer,
    ADD COLUMN reason text,
    ADD COLUMN pack_digest text,
    ADD COLUMN retry_of bigint,
    ADD COLUMN dropped_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN started_at timestamptz,
    ADD COLUMN finished_at timestamptz;
ALTER TABLE execution ALTER COLUMN policy SET DEFAULT 'wait';

CREATE INDEX idx_execution_waiting ON execution (queue, id) WHERE status = 'requested' AND policy IS NOT NULL;
CREATE INDEX idx_execution_offered ON execution (queue, id) WHERE status = 'scheduled' AND policy IS NOT NULL;
CREATE INDEX idx_execution_due ON execution (not_before) WHERE status = 'scheduling' AND policy IS NOT NULL;
CREATE INDEX idx_execution_held ON execution (worker) WHERE status IN ('running', 'canceling') AND policy IS NOT NULL;
CREATE INDEX idx_execution_deadline ON execution (deadline) WHERE status = 'requested' AND deadline IS NOT NULL;
CREATE INDEX idx_execution_worker ON execution (worker);

-- Actions name their runtime by id alone; its ref stands beside it, so that nothing reads `runtime` while work runs.
ALTER TABLE action ADD COLUMN runtime_row_ref text;
ALTER TABLE action DISABLE TRIGGER USER;
UPDATE action SET runtime_row_ref = runtime.ref FROM runtime WHERE runtime.id = action.runtime;
ALTER TABLE action ENABLE TRIGGER USER;
CREATE FUNCTION follow_action_runtime() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT ref FROM %I.runtime WHERE id = $1', TG_TABLE_SCHEMA) INTO NEW.runtime_row_ref USING NEW.runtime;
    RETURN NEW;
END;
$$;
CREATE TRIGGER follow_action_runtime BEFORE INSERT OR UPDATE OF runtime ON action
    FOR EACH ROW EXECUTE FUNCTION follow_action_runtime();

-- Each distinct requirement is a class, and a queue that only nodes read which satisfy it.
CREATE TABLE requirement_class (
    queue text PRIMARY KEY,
    requirement text NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE worker_class (
    queue text NOT NULL REFERENCES requirement_class (queue) ON DELETE CASCADE,
    worker bigint NOT NULL REFERENCES worker (id) ON DELETE CASCADE,
    PRIMARY KEY (queue, worker)
);
CREATE INDEX idx_worker_class_worker ON worker_class (worker);
CREATE FUNCTION announce_class() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('attune_class', NEW.queue);
    RETURN NULL;
END;
$$;
CREATE TRIGGER announce_class AFTER INSERT ON requirement_class FOR EACH ROW EXECUTE FUNCTION announce_class();

-- What is requested without a class, by a rule or by another program, is to be given one.
CREATE FUNCTION announce_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('attune_request', '');
    RETURN NULL;
END;
$$;
CREATE TRIGGER announce_request AFTER INSERT ON execution FOR EACH ROW
    WHEN (NEW.status = 'requested' AND NEW.queue IS NULL) EXECUTE FUNCTION announce_request();

-- What executions print, in pieces, in their order.
CREATE TABLE execution_output (
    execution bigint NOT NULL REFERENCES execution (id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    number integer NOT NULL,
    stream text NOT NULL CONSTRAINT execution_output_stream CHECK (stream IN ('stdout', 'stderr')),
    text text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (execution, attempt, number)
);

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges
        FROM (VALUES
            ('attune_admin', 'SELECT, INSERT, UPDATE ON execution'),
            ('attune_admin', 'SELECT, DELETE ON execution_output'),
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE ON requirement_class, worker_class'),
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_workers, procrastinate_events'),
            ('attune_admin', 'USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq'),
            ('attune_node', 'SELECT, INSERT, UPDATE ON execution'),
            ('attune_node', 'SELECT ON action, pack'),
            ('attune_node', 'SELECT, INSERT ON execution_output'),
            ('attune_node', 'SELECT, INSERT ON requirement_class'),
            ('attune_node', 'SELECT, INSERT, UPDATE, DELETE ON worker_class'),
            ('attune_node', 'SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_workers, procrastinate_events'),
            ('attune_node', 'SELECT ON procrastinate_periodic_defers'),
            ('attune_node', 'USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq')
        ) AS p (role, privileges)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s TO %I', permitted.privileges, permitted.role);
            IF permitted.privileges LIKE '%ON execution' THEN
                EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence('execution', 'id'), permitted.role);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
