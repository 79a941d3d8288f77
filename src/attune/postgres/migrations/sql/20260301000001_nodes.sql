-- What nodes know about themselves, and a history of every definition.

CREATE TABLE worker_runtime (
    worker bigint NOT NULL REFERENCES worker (id) ON DELETE CASCADE,
    runtime_ref text NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    version text,
    path text,
    instances jsonb NOT NULL DEFAULT '[]'::jsonb,
    reason text NOT NULL,
    evidence jsonb,
    checked_at timestamptz,
    since timestamptz NOT NULL DEFAULT now(),
    failures integer NOT NULL DEFAULT 0,
    PRIMARY KEY (worker, runtime_ref),
    CONSTRAINT worker_runtime_status
        CHECK (status IN ('available', 'declared', 'assumed', 'unavailable', 'unknown', 'invalid')),
    CONSTRAINT worker_runtime_failures CHECK (failures >= 0)
);
CREATE INDEX idx_worker_runtime_ref_status ON worker_runtime (runtime_ref, status);

ALTER TYPE worker_status_enum ADD VALUE IF NOT EXISTS 'starting';
ALTER TYPE worker_status_enum ADD VALUE IF NOT EXISTS 'draining';
ALTER TYPE worker_status_enum ADD VALUE IF NOT EXISTS 'stale';
ALTER TYPE worker_status_enum ADD VALUE IF NOT EXISTS 'lost';

-- A node is known by name and role. Of several with the same name the one heard of last keeps it,
-- the others become name#2, name#3 … and remember what they were called.
LOCK TABLE worker IN SHARE ROW EXCLUSIVE MODE;
DO $rename$
DECLARE
    triggers text[] := attune_own_triggers();
    twin record;
    free_name text;
    number integer;
BEGIN
    PERFORM attune_set_triggers(triggers, 'DISABLE');
    FOR twin IN
        SELECT w.* FROM (
            SELECT id, name, worker_role, meta, row_number() OVER (
                PARTITION BY name, worker_role ORDER BY last_heartbeat DESC NULLS LAST, id DESC) AS rank
            FROM worker
        ) AS w WHERE w.rank > 1 ORDER BY w.name, w.worker_role, w.rank
    LOOP
        number := 2;
        LOOP
            free_name := twin.name || '#' || number;
            EXIT WHEN NOT EXISTS (SELECT FROM worker AS w WHERE w.name = free_name AND w.worker_role = twin.worker_role);
            number := number + 1;
        END LOOP;
        UPDATE worker SET name = free_name,
            meta = CASE jsonb_typeof(coalesce(meta, '{}'::jsonb)) WHEN 'object' THEN coalesce(meta, '{}'::jsonb)
                ELSE jsonb_build_object('meta', meta) END || jsonb_build_object('renamed_from', twin.name)
        WHERE id = twin.id;
        INSERT INTO migration_original AS o (table_name, column_name, row_id, old, new)
        SELECT 'worker', 'name', w.id, jsonb_build_object('name', twin.name, 'meta', twin.meta),
            jsonb_build_object('name', w.name, 'meta', w.meta)
        FROM worker AS w WHERE w.id = twin.id
        ON CONFLICT (table_name, column_name, row_id)
            DO UPDATE SET old = excluded.old, new = excluded.new, recorded_at = now();
    END LOOP;
    PERFORM attune_set_triggers(triggers, 'ENABLE');
END;
$rename$;
CREATE UNIQUE INDEX idx_worker_name_role ON worker (name, worker_role);

-- A heartbeat must not touch an index, and needs room on its page: then it is a heap-only update.
DROP INDEX IF EXISTS idx_worker_last_heartbeat;
ALTER TABLE worker SET (fillfactor = 70);

-- Written with the owner's rights, so that whoever may change a definition cannot change its history.
CREATE FUNCTION record_runtime_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    IF TG_OP = 'UPDATE' AND old_row - 'updated' = new_row - 'updated' THEN
        RETURN NULL;
    END IF;
    EXECUTE format('INSERT INTO %I.runtime_history (runtime_ref, operation, old, new) VALUES ($1, $2, $3, $4)', TG_TABLE_SCHEMA)
        USING coalesce(new_row, old_row) ->> 'ref',
            CASE WHEN TG_OP = 'UPDATE' AND old_row -> 'ref' <> new_row -> 'ref' THEN 'rename' ELSE lower(TG_OP) END,
            old_row, new_row;
    RETURN NULL;
END;
$$;
CREATE TRIGGER record_runtime_change AFTER INSERT OR UPDATE OR DELETE ON runtime
    FOR EACH ROW EXECUTE FUNCTION record_runtime_change();

CREATE FUNCTION notify_runtime_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'updated' = to_jsonb(NEW) - 'updated' THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('attune_runtime', OLD.ref);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify('attune_runtime', NEW.ref);
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER notify_runtime_change AFTER INSERT OR UPDATE OR DELETE ON runtime
    FOR EACH ROW EXECUTE FUNCTION notify_runtime_change();

-- Two group roles: attune_admin writes definitions, attune_node reads them and writes what a node says of itself.
-- Roles belong to the whole server: another database may be creating them at this moment, and whoever migrates
-- may not be allowed to. Then the installation works with its owner's role, as before.
DO $roles$
DECLARE
    wanted text;
    permitted record;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['attune_admin', 'attune_node'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole))
            AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
                NULL;
            END;
        END IF;
    END LOOP;
    FOR permitted IN
        SELECT p.role, p.privileges, t.name::regclass AS relation, pg_get_serial_sequence(t.name, p.writes_to) AS sequence
        FROM (VALUES
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE', 'id', ARRAY['pack', 'runtime', 'action', 'sensor', 'trigger', 'worker']),
            ('attune_admin', 'SELECT, DELETE', NULL, ARRAY['worker_runtime']),
            ('attune_admin', 'SELECT', NULL, ARRAY['runtime_history', 'alembic_version']),
            ('attune_node', 'SELECT', NULL, ARRAY['pack', 'runtime', 'action', 'sensor', 'trigger', 'runtime_history', 'alembic_version']),
            ('attune_node', 'SELECT, INSERT, UPDATE, DELETE', 'id', ARRAY['worker']),
            ('attune_node', 'SELECT, INSERT, UPDATE, DELETE', NULL, ARRAY['worker_runtime'])
        ) AS p (role, privileges, writes_to, tables)
        CROSS JOIN LATERAL unnest(p.tables) AS t (name)
        WHERE to_regclass(t.name) IS NOT NULL AND EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), permitted.role);
            EXECUTE format('GRANT %s ON %s TO %I', permitted.privileges, permitted.relation, permitted.role);
            IF permitted.sequence IS NOT NULL THEN
                EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', permitted.sequence, permitted.role);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$roles$;
