-- What matching looks for, so that one query finds the nodes that satisfy a requirement.

-- Every distinct thing that a node says of itself. Rows are never changed or removed: an id means the same for ever.
-- Kinds: runtime (value: its version, '' where that is not known), label, has_label (whatever its value), taint.
CREATE TABLE capability (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    name text NOT NULL,
    value text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT '',
    CONSTRAINT capability_once UNIQUE (kind, name, value, status),
    CONSTRAINT capability_kind CHECK (kind IN ('runtime', 'label', 'has_label', 'taint'))
);

CREATE TABLE worker_capability (
    worker bigint PRIMARY KEY REFERENCES worker (id) ON DELETE CASCADE,
    capabilities integer[] NOT NULL
);
CREATE INDEX idx_worker_capability ON worker_capability USING gin (capabilities);

-- Where a node stands in the ranking: by load, then by name in the order of code points. On its own, since load
-- changes with every execution.
CREATE TABLE worker_load (
    worker bigint PRIMARY KEY REFERENCES worker (id) ON DELETE CASCADE,
    role text NOT NULL,
    name text COLLATE "C" NOT NULL,
    active boolean NOT NULL,
    running integer NOT NULL DEFAULT 0,
    max_concurrent integer,
    load double precision NOT NULL
        GENERATED ALWAYS AS (running / coalesce(nullif(max_concurrent, 0), 100)::double precision) STORED,
    able boolean NOT NULL GENERATED ALWAYS AS (active AND (max_concurrent IS NULL OR running < max_concurrent)) STORED,
    CONSTRAINT worker_load_role CHECK (role IN ('worker', 'sensor')),
    CONSTRAINT worker_load_running CHECK (running >= 0)
);
CREATE INDEX idx_worker_load_rank ON worker_load (role, load, name, worker) WHERE able;

-- Whoever changes the status of a node, its place in the ranking follows.
CREATE FUNCTION follow_worker_status() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_active boolean := coalesce(NEW.status::text = 'active', false);
BEGIN
    EXECUTE format('UPDATE %I.worker_load SET active = $1, name = $2 WHERE worker = $3 AND (active, name) IS DISTINCT FROM ($1, $2)',
        TG_TABLE_SCHEMA) USING now_active, NEW.name, NEW.id;
    RETURN NULL;
END;
$$;
CREATE TRIGGER follow_worker_status AFTER UPDATE OF status, name ON worker
    FOR EACH ROW EXECUTE FUNCTION follow_worker_status();

-- For people: one row for each node and capability.
CREATE VIEW worker_offer AS
    SELECT held.worker, c.kind, c.name, c.value, c.status
    FROM worker_capability AS held CROSS JOIN LATERAL unnest(held.capabilities) AS one (id) JOIN capability AS c ON c.id = one.id;

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges, t.name::regclass AS relation
        FROM (VALUES
            ('attune_admin', 'SELECT', ARRAY['capability', 'worker_offer']),
            ('attune_admin', 'SELECT, UPDATE, DELETE', ARRAY['worker_capability', 'worker_load']),
            ('attune_node', 'SELECT', ARRAY['worker_offer']),
            ('attune_node', 'SELECT, INSERT', ARRAY['capability']),
            ('attune_node', 'SELECT, INSERT, UPDATE, DELETE', ARRAY['worker_capability', 'worker_load'])
        ) AS p (role, privileges, tables)
        CROSS JOIN LATERAL unnest(p.tables) AS t (name)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON %s TO %I', permitted.privileges, permitted.relation, permitted.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
