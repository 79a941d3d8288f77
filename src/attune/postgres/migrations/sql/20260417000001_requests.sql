-- What changed, for streams that go on where they broke off. Read in the order of (transaction, id) up to the oldest
-- transaction that still runs, so that no row appears behind one that was read already.
CREATE TABLE change (
    id bigserial PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind text NOT NULL,
    data jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_change_order ON change (transaction, id);

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    row_now jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    told jsonb;
    number bigint;
BEGIN
    IF TG_TABLE_NAME = 'worker' THEN
        told := jsonb_build_object('id', row_now -> 'id', 'name', row_now -> 'name',
            'role', CASE row_now ->> 'worker_role' WHEN 'sensor' THEN 'sensor' ELSE 'worker' END,
            'status', CASE WHEN TG_OP = 'DELETE' THEN 'removed' ELSE coalesce(row_now ->> 'status', 'inactive') END,
            'generation', row_now -> 'generation');
    ELSIF TG_TABLE_NAME = 'runtime_transition' THEN
        EXECUTE format('SELECT jsonb_build_object(''worker_name'', w.name, ''role'','
            || ' CASE w.worker_role WHEN ''sensor'' THEN ''sensor'' ELSE ''worker'' END, ''version'', r.version)'
            || ' FROM %1$I.worker AS w LEFT JOIN %1$I.worker_runtime AS r ON r.worker = w.id AND r.runtime_ref = $2'
            || ' WHERE w.id = $1', TG_TABLE_SCHEMA)
            INTO told USING NEW.worker, NEW.runtime_ref;
        told := coalesce(told, '{}') || jsonb_build_object('id', NEW.id, 'worker', NEW.worker, 'runtime', NEW.runtime_ref,
            'name', NEW.name, 'from', NEW.from_status, 'to', NEW.to_status, 'reason', left(NEW.reason, 1000));
    ELSE
        IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'updated' = row_now - 'updated' THEN
            RETURN NULL;
        END IF;
        told := jsonb_build_object('ref', row_now -> 'ref', 'operation', lower(TG_OP));
    END IF;
    EXECUTE format('INSERT INTO %I.change (kind, data) VALUES ($1, $2) RETURNING id', TG_TABLE_SCHEMA)
        INTO number USING CASE TG_TABLE_NAME WHEN 'worker' THEN 'node' WHEN 'runtime_transition' THEN 'transition'
            ELSE TG_TABLE_NAME END, told;
    IF number % 1000 = 0 THEN
        EXECUTE format('DELETE FROM %I.change WHERE id <= $1', TG_TABLE_SCHEMA) USING number - 20000;
    END IF;
    PERFORM pg_notify('attune_change', '');
    RETURN NULL;
END;
$$;
-- A heartbeat names neither column, so it pays nothing.
CREATE TRIGGER note_worker_change AFTER UPDATE OF status, capabilities ON worker FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.generation <> NEW.generation) EXECUTE FUNCTION note_change();
CREATE TRIGGER note_worker_come_or_gone AFTER INSERT OR DELETE ON worker FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_transition AFTER INSERT ON runtime_transition FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_runtime_change AFTER INSERT OR UPDATE OR DELETE ON runtime FOR EACH ROW EXECUTE FUNCTION note_change();

-- What somebody asks a node to do at once, and what it answered.
CREATE TABLE node_request (
    id bigserial PRIMARY KEY,
    worker bigint NOT NULL REFERENCES worker (id) ON DELETE CASCADE,
    kind text NOT NULL CONSTRAINT node_request_kind CHECK (kind IN ('check')),
    body jsonb NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL,
    answer jsonb,
    answered_at timestamptz
);
CREATE INDEX idx_node_request_open ON node_request (worker) WHERE answered_at IS NULL;
CREATE FUNCTION tell_node_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM pg_notify('attune_node', NEW.worker::text);
    ELSIF NEW.answered_at IS NOT NULL THEN
        PERFORM pg_notify('attune_answer', NEW.id::text);
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER tell_node_request AFTER INSERT OR UPDATE ON node_request
    FOR EACH ROW EXECUTE FUNCTION tell_node_request();

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges
        FROM (VALUES
            ('attune_admin', 'SELECT, DELETE ON change'), ('attune_node', 'SELECT ON change'),
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE ON node_request'),
            ('attune_admin', 'USAGE ON SEQUENCE node_request_id_seq'),
            ('attune_node', 'SELECT, UPDATE ON node_request')
        ) AS p (role, privileges)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s TO %I', permitted.privileges, permitted.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
