-- A pack's files travel through the database: a worker needs no shared folder, and one transaction loads a pack.
-- Versions of files are kept as long as a pack or an execution names them by digest.
CREATE TABLE pack_version (
    digest text PRIMARY KEY,
    pack_ref text NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE pack_file (
    digest text NOT NULL REFERENCES pack_version (digest) ON DELETE CASCADE,
    path text NOT NULL,
    content bytea NOT NULL,
    executable boolean NOT NULL DEFAULT false,
    PRIMARY KEY (digest, path)
);
-- What a load has declared, by kind and ref: the next load removes what it no longer has, and nothing else.
ALTER TABLE pack ADD COLUMN digest text REFERENCES pack_version (digest), ADD COLUMN loaded jsonb;

ALTER TABLE action
    ADD COLUMN prefers jsonb NOT NULL DEFAULT '[]'::jsonb
        CONSTRAINT action_prefers_list CHECK (jsonb_typeof(prefers) = 'array'),
    ADD COLUMN interpreter_args jsonb NOT NULL DEFAULT '[]'::jsonb
        CONSTRAINT action_interpreter_args_list CHECK (jsonb_typeof(interpreter_args) = 'array'),
    ADD COLUMN parameter_delivery text NOT NULL DEFAULT 'stdin'
        CONSTRAINT action_parameter_delivery CHECK (parameter_delivery IN ('stdin', 'env', 'args')),
    ADD COLUMN timeout_seconds double precision CONSTRAINT action_timeout CHECK (timeout_seconds > 0),
    ADD COLUMN retries integer NOT NULL DEFAULT 0 CONSTRAINT action_retries CHECK (retries >= 0),
    ADD COLUMN retry_delay_seconds double precision NOT NULL DEFAULT 1
        CONSTRAINT action_retry_delay CHECK (retry_delay_seconds >= 0),
    ADD COLUMN on_lost text NOT NULL DEFAULT 'retry' CONSTRAINT action_on_lost CHECK (on_lost IN ('retry', 'abandon')),
    ADD COLUMN result_file text;

ALTER TABLE sensor
    ADD COLUMN requires jsonb NOT NULL DEFAULT '[]'::jsonb
        CONSTRAINT sensor_requires_list CHECK (jsonb_typeof(requires) = 'array'),
    ADD COLUMN interpreter_args jsonb NOT NULL DEFAULT '[]'::jsonb
        CONSTRAINT sensor_interpreter_args_list CHECK (jsonb_typeof(interpreter_args) = 'array');
DO $columns$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'sensor'::regclass
                   AND attname = 'runtime_version_constraint' AND NOT attisdropped) THEN
        ALTER TABLE sensor ADD COLUMN runtime_version_constraint text;
        COMMENT ON COLUMN sensor.runtime_version_constraint IS 'made by 20260415000001_packs';
    END IF;
END
$columns$;

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges, p.tables, p.sequence
        FROM (VALUES
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE', 'pack_version, pack_file', NULL),
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE', 'rule', pg_get_serial_sequence('rule', 'id')),
            ('attune_admin', 'SELECT, INSERT', 'event', pg_get_serial_sequence('event', 'id')),
            ('attune_admin', 'SELECT, INSERT', 'enforcement', pg_get_serial_sequence('enforcement', 'id')),
            ('attune_admin', 'SELECT, INSERT, UPDATE (action)', 'execution', pg_get_serial_sequence('execution', 'id')),
            ('attune_node', 'SELECT', 'pack_version, pack_file, rule', NULL),
            ('attune_node', 'SELECT, INSERT', 'event', pg_get_serial_sequence('event', 'id')),
            ('attune_node', 'SELECT, INSERT', 'enforcement', pg_get_serial_sequence('enforcement', 'id'))
        ) AS p (role, privileges, tables, sequence)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON %s TO %I', permitted.privileges, permitted.tables, permitted.role);
            IF permitted.sequence IS NOT NULL THEN
                EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', permitted.sequence, permitted.role);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
