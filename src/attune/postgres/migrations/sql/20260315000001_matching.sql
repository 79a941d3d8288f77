-- What matching looks for, so that one query finds the nodes that satisfy a requirement.

-- Every distinct thing that some node offers. Rows are never changed or removed, so that an id means the same for ever.
-- kind: runtime (value: the version, '' where it is not known), label (value: its value), has_label, taint.
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

-- Where a node stands in the ranking: by load, then by name, as code points are ordered.
CREATE TABLE worker_load (
    worker bigint PRIMARY KEY REFERENCES worker (id) ON DELETE CASCADE,
    role worker_role_enum NOT NULL,
    name text COLLATE "C" NOT NULL,
    active boolean NOT NULL DEFAULT true,
    running integer NOT NULL DEFAULT 0,
    max_concurrent integer,
    load double precision NOT NULL GENERATED ALWAYS AS (running / coalesce(nullif(max_concurrent, 0), 100)::float8) STORED,
    able boolean NOT NULL GENERATED ALWAYS AS (active AND running < coalesce(max_concurrent, running + 1)) STORED,
    CONSTRAINT worker_load_running CHECK (running >= 0)
);
CREATE INDEX idx_worker_load_rank ON worker_load (role, load, name, worker) WHERE able;

-- Whoever changes a node's status, its rank follows.
CREATE FUNCTION follow_worker_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE worker_load SET active = (NEW.status = 'active'), name = NEW.name, role = NEW.worker_role
    WHERE worker = NEW.id
        AND (active, name, role) IS DISTINCT FROM (coalesce(NEW.status = 'active', false), NEW.name, NEW.worker_role);
    RETURN NULL;
END;
$$;
CREATE TRIGGER follow_worker_status AFTER UPDATE OF status, name, worker_role ON worker
    FOR EACH ROW EXECUTE FUNCTION follow_worker_status();
