-- Each enabled sensor runs on one node: the one that holds its lease. The row stays when nobody does, so that the epoch
-- only grows; a lease may be taken once `expires_at` has passed, whatever `worker` says.
CREATE TABLE sensor_lease (
    sensor bigint PRIMARY KEY REFERENCES sensor (id) ON DELETE CASCADE,
    worker bigint REFERENCES worker (id) ON DELETE SET NULL,
    epoch bigint NOT NULL DEFAULT 1,
    taken_at timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'starting',
    reason text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT now(),
    restarts integer NOT NULL DEFAULT 0,
    bad_lines bigint NOT NULL DEFAULT 0,
    pid integer,
    CONSTRAINT sensor_lease_state CHECK (state IN ('waiting', 'starting', 'running', 'backing off', 'failed'))
) WITH (fillfactor = 70);
CREATE INDEX idx_sensor_lease_worker ON sensor_lease (worker);

-- What a sensor prints lands in a file on its node first. A row says how many bytes of one such file have become events:
-- both are written in one transaction, so that no line is lost and none is told twice, whoever reads the file.
-- It refers to the lease, not to the sensor: whoever takes a lease then locks nothing that a delete of the sensor holds.
CREATE TABLE sensor_journal (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sensor bigint NOT NULL REFERENCES sensor_lease (sensor) ON DELETE CASCADE,
    epoch bigint NOT NULL,
    shipped bigint NOT NULL DEFAULT 0,
    created timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sensor_journal_shipped CHECK (shipped >= 0),
    UNIQUE (sensor, epoch)
);

-- What a built-in sensor remembers: when it last fired, which files it has seen.
CREATE TABLE sensor_position (
    sensor bigint PRIMARY KEY REFERENCES sensor (id) ON DELETE CASCADE,
    position jsonb NOT NULL,
    updated timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION announce_sensing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('attune_sensing', TG_TABLE_NAME);
    RETURN NULL;
END;
$$;
CREATE TRIGGER announce_sensing AFTER INSERT OR UPDATE OR DELETE ON sensor
    FOR EACH STATEMENT EXECUTE FUNCTION announce_sensing();
CREATE TRIGGER announce_sensing AFTER UPDATE OF digest ON pack
    FOR EACH STATEMENT EXECUTE FUNCTION announce_sensing();

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges, p.tables
        FROM (VALUES
            ('attune_admin', 'SELECT, DELETE', 'sensor_lease, sensor_journal, sensor_position'),
            ('attune_node', 'SELECT, INSERT, UPDATE, DELETE', 'sensor_lease, sensor_journal, sensor_position'),
            ('attune_node', 'SELECT, INSERT', 'event')
        ) AS p (role, privileges, tables)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON %s TO %I', permitted.privileges, permitted.tables, permitted.role);
            IF permitted.tables = 'event' THEN
                EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence('event', 'id'), permitted.role);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
