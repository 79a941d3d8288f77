-- What nodes gained and lost, with the reason and the evidence.
CREATE TABLE runtime_transition (
    id bigserial PRIMARY KEY,
    worker bigint NOT NULL REFERENCES worker (id) ON DELETE CASCADE,
    runtime_ref text NOT NULL,
    name text NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    reason text NOT NULL,
    evidence jsonb,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_runtime_transition_worker_at ON runtime_transition (worker, at DESC);

-- How often the capabilities have changed, whoever changed them. A heartbeat names other columns and pays nothing.
ALTER TABLE worker ADD COLUMN generation bigint NOT NULL DEFAULT 0;
CREATE FUNCTION count_worker_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.generation := OLD.generation + 1;
    RETURN NEW;
END;
$$;
CREATE TRIGGER count_worker_generation BEFORE UPDATE OF capabilities ON worker
    FOR EACH ROW WHEN (OLD.capabilities IS DISTINCT FROM NEW.capabilities) EXECUTE FUNCTION count_worker_generation();

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges
        FROM (VALUES ('attune_admin', 'SELECT, DELETE'), ('attune_node', 'SELECT, INSERT')) AS p (role, privileges)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON runtime_transition TO %I', permitted.privileges, permitted.role);
            EXECUTE format('GRANT USAGE ON SEQUENCE runtime_transition_id_seq TO %I', permitted.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
