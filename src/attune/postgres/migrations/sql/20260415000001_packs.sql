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

-- What rules made of events; some installations have lost the table. The comment tells a downgrade who made it.
DO $enforcement$
BEGIN
    IF to_regclass('enforcement') IS NOT NULL THEN
        RETURN;
    END IF;
    IF to_regtype('enforcement_status_enum') IS NULL THEN
        CREATE TYPE enforcement_status_enum AS ENUM ('created', 'processed', 'disabled');
    END IF;
    IF to_regtype('enforcement_condition_enum') IS NULL THEN
        CREATE TYPE enforcement_condition_enum AS ENUM ('any', 'all');
    END IF;
    CREATE TABLE enforcement (
        id bigserial PRIMARY KEY,
        rule bigint REFERENCES rule (id) ON DELETE SET NULL,
        rule_ref text NOT NULL,
        trigger_ref text NOT NULL,
        config jsonb,
        event bigint,
        status enforcement_status_enum NOT NULL DEFAULT 'created',
        payload jsonb NOT NULL,
        condition enforcement_condition_enum NOT NULL DEFAULT 'all',
        conditions jsonb NOT NULL DEFAULT '[]'::jsonb,
        created timestamptz NOT NULL DEFAULT now(),
        updated timestamptz NOT NULL DEFAULT now()
    );
    CREATE TRIGGER update_enforcement_updated BEFORE UPDATE ON enforcement
        FOR EACH ROW EXECUTE FUNCTION update_updated_column();
    CREATE INDEX idx_enforcement_rule ON enforcement (rule);
    CREATE INDEX idx_enforcement_event ON enforcement (event);
    COMMENT ON TABLE enforcement IS 'made by 20260415000001_packs';
END
$enforcement$;

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges, p.relation
        FROM (VALUES
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE', 'pack_version'),
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE', 'pack_file'),
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE', 'rule'),
            ('attune_admin', 'SELECT, INSERT, DELETE', 'event'),
            ('attune_admin', 'SELECT, INSERT, UPDATE (status, config)', 'enforcement'),
            ('attune_admin', 'SELECT, INSERT, UPDATE (action)', 'execution'),
            ('attune_node', 'SELECT', 'pack_version'),
            ('attune_node', 'SELECT', 'pack_file'),
            ('attune_node', 'SELECT', 'rule'),
            ('attune_node', 'SELECT, INSERT', 'event'),
            ('attune_node', 'SELECT, INSERT, UPDATE (status, config)', 'enforcement')
        ) AS p (role, privileges, relation)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON %I TO %I', permitted.privileges, permitted.relation, permitted.role);
            IF permitted.privileges LIKE '%INSERT%' AND permitted.relation NOT LIKE 'pack%' THEN
                EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence(permitted.relation, 'id'),
                    permitted.role);
            END IF;
        EXCEPTION WHEN insufficient_privilege OR undefined_table THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
