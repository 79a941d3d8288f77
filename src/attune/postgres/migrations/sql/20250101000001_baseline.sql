-- The schema of existing installations as it stood before runtimes were unified.
-- Fresh databases start here too, so that every database has walked the same way.
-- Names are unqualified: the role's search_path decides where the objects live.

CREATE TYPE runtime_type_enum AS ENUM ('action', 'sensor');
CREATE TYPE worker_type_enum AS ENUM ('local', 'remote', 'container');
CREATE TYPE worker_role_enum AS ENUM ('action', 'sensor', 'hybrid');
CREATE TYPE worker_status_enum AS ENUM ('active', 'inactive', 'busy', 'error');
CREATE TYPE execution_status_enum AS ENUM (
    'requested', 'scheduling', 'scheduled', 'running', 'completed',
    'failed', 'canceling', 'cancelled', 'timeout', 'abandoned'
);
CREATE TYPE enforcement_status_enum AS ENUM ('created', 'processed', 'disabled');
CREATE TYPE enforcement_condition_enum AS ENUM ('any', 'all');

CREATE FUNCTION update_updated_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated = now();
    RETURN NEW;
END;
$$;

CREATE TABLE pack (
    id bigserial PRIMARY KEY,
    ref text NOT NULL UNIQUE,
    label text NOT NULL,
    description text,
    version text NOT NULL,
    conf_schema jsonb NOT NULL DEFAULT '{}'::jsonb,
    config jsonb NOT NULL DEFAULT '{}'::jsonb,
    meta jsonb NOT NULL DEFAULT '{}'::jsonb,
    tags text[] NOT NULL DEFAULT ARRAY[]::text[],
    runtime_deps text[] NOT NULL DEFAULT ARRAY[]::text[],
    is_standard boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pack_ref_format CHECK (ref ~ '^[a-z][a-z0-9_-]+$'),
    CONSTRAINT pack_ref_lowercase CHECK (ref = lower(ref)),
    CONSTRAINT pack_version_semver CHECK (
        version ~ '^\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$'
    )
);

CREATE TABLE runtime (
    id bigserial PRIMARY KEY,
    ref text NOT NULL UNIQUE,
    pack bigint REFERENCES pack (id) ON DELETE CASCADE,
    pack_ref text,
    description text,
    runtime_type runtime_type_enum NOT NULL,
    name text NOT NULL,
    distributions jsonb NOT NULL,
    installation jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT runtime_ref_format CHECK (ref ~ '^[^.]+\.(action|sensor)\.[^.]+$'),
    CONSTRAINT runtime_ref_lowercase CHECK (ref = lower(ref))
);
CREATE INDEX idx_runtime_created ON runtime (created DESC);
CREATE INDEX idx_runtime_pack ON runtime (pack);
CREATE INDEX idx_runtime_pack_type ON runtime (pack, runtime_type);
CREATE INDEX idx_runtime_ref ON runtime (ref);
CREATE INDEX idx_runtime_type ON runtime (runtime_type);
CREATE INDEX idx_runtime_type_created ON runtime (runtime_type, created DESC);
CREATE INDEX idx_runtime_type_sensor ON runtime (ref) WHERE runtime_type = 'sensor';

CREATE TABLE worker (
    id bigserial PRIMARY KEY,
    name text NOT NULL,
    worker_type worker_type_enum NOT NULL,
    runtime bigint REFERENCES runtime (id),
    host text,
    port integer,
    status worker_status_enum DEFAULT 'inactive',
    capabilities jsonb,
    meta jsonb,
    last_heartbeat timestamptz,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    worker_role worker_role_enum NOT NULL DEFAULT 'action',
    CONSTRAINT worker_port_range CHECK (port IS NULL OR (port > 0 AND port <= 65535))
);
CREATE INDEX idx_worker_last_heartbeat ON worker (last_heartbeat DESC);
CREATE INDEX idx_worker_name ON worker (name);
CREATE INDEX idx_worker_role ON worker (worker_role);
CREATE INDEX idx_worker_role_status ON worker (worker_role, status);
CREATE INDEX idx_worker_runtime ON worker (runtime);
CREATE INDEX idx_worker_status ON worker (status);
CREATE INDEX idx_worker_status_runtime ON worker (status, runtime);
CREATE INDEX idx_worker_type ON worker (worker_type);
CREATE INDEX idx_worker_type_status ON worker (worker_type, status);

CREATE TABLE trigger (
    id bigserial PRIMARY KEY,
    ref text NOT NULL UNIQUE,
    pack bigint REFERENCES pack (id) ON DELETE CASCADE,
    pack_ref text,
    label text NOT NULL,
    description text,
    enabled boolean NOT NULL DEFAULT true,
    param_schema jsonb,
    out_schema jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    webhook_enabled boolean NOT NULL DEFAULT false,
    webhook_key varchar(64) UNIQUE,
    webhook_config jsonb DEFAULT '{}'::jsonb,
    is_adhoc boolean NOT NULL DEFAULT false,
    CONSTRAINT trigger_ref_format CHECK (ref ~ '^[^.]+\.[^.]+$'),
    CONSTRAINT trigger_ref_lowercase CHECK (ref = lower(ref))
);

CREATE TABLE sensor (
    id bigserial PRIMARY KEY,
    ref text NOT NULL UNIQUE,
    pack bigint REFERENCES pack (id) ON DELETE CASCADE,
    pack_ref text,
    label text NOT NULL,
    description text NOT NULL,
    entrypoint text NOT NULL,
    runtime bigint NOT NULL REFERENCES runtime (id) ON DELETE CASCADE,
    runtime_ref text NOT NULL,
    trigger bigint NOT NULL REFERENCES trigger (id) ON DELETE CASCADE,
    trigger_ref text NOT NULL,
    enabled boolean NOT NULL,
    param_schema jsonb,
    config jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sensor_ref_format CHECK (ref ~ '^[^.]+\.[^.]+$'),
    CONSTRAINT sensor_ref_lowercase CHECK (ref = lower(ref))
);

CREATE TABLE action (
    id bigserial PRIMARY KEY,
    ref text NOT NULL UNIQUE,
    pack bigint NOT NULL REFERENCES pack (id) ON DELETE CASCADE,
    pack_ref text NOT NULL,
    label text NOT NULL,
    description text NOT NULL,
    entrypoint text NOT NULL,
    runtime bigint REFERENCES runtime (id),
    param_schema jsonb,
    out_schema jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    is_workflow boolean NOT NULL DEFAULT false,
    workflow_def bigint,
    is_adhoc boolean NOT NULL DEFAULT false,
    CONSTRAINT action_ref_format CHECK (ref ~ '^[^.]+\.[^.]+$'),
    CONSTRAINT action_ref_lowercase CHECK (ref = lower(ref))
);

CREATE TABLE rule (
    id bigserial PRIMARY KEY,
    ref text NOT NULL UNIQUE,
    pack bigint NOT NULL REFERENCES pack (id) ON DELETE CASCADE,
    pack_ref text NOT NULL,
    label text NOT NULL,
    description text NOT NULL,
    action bigint NOT NULL REFERENCES action (id),
    action_ref text NOT NULL,
    trigger bigint NOT NULL REFERENCES trigger (id),
    trigger_ref text NOT NULL,
    conditions jsonb NOT NULL DEFAULT '[]'::jsonb,
    action_params jsonb DEFAULT '{}'::jsonb,
    trigger_params jsonb DEFAULT '{}'::jsonb,
    enabled boolean NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    is_adhoc boolean NOT NULL DEFAULT false,
    CONSTRAINT rule_ref_format CHECK (ref ~ '^[^.]+\.[^.]+$'),
    CONSTRAINT rule_ref_lowercase CHECK (ref = lower(ref))
);

CREATE TABLE event (
    id bigserial PRIMARY KEY,
    trigger bigint REFERENCES trigger (id) ON DELETE SET NULL,
    trigger_ref text NOT NULL,
    config jsonb,
    payload jsonb,
    source bigint REFERENCES sensor (id) ON DELETE SET NULL,
    source_ref text,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    rule bigint REFERENCES rule (id) ON DELETE SET NULL,
    rule_ref text
);

CREATE TABLE enforcement (
    id bigserial PRIMARY KEY,
    rule bigint REFERENCES rule (id) ON DELETE SET NULL,
    rule_ref text NOT NULL,
    trigger_ref text NOT NULL,
    config jsonb,
    event bigint REFERENCES event (id) ON DELETE SET NULL,
    status enforcement_status_enum NOT NULL DEFAULT 'created',
    payload jsonb NOT NULL,
    condition enforcement_condition_enum NOT NULL DEFAULT 'all',
    conditions jsonb NOT NULL DEFAULT '[]'::jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT enforcement_condition_check CHECK (condition IN ('any', 'all'))
);

CREATE TABLE execution (
    id bigserial PRIMARY KEY,
    action bigint REFERENCES action (id),
    action_ref text NOT NULL,
    config jsonb,
    parent bigint REFERENCES execution (id),
    enforcement bigint REFERENCES enforcement (id),
    executor bigint,
    status execution_status_enum NOT NULL DEFAULT 'requested',
    result jsonb,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    workflow_task jsonb
);

CREATE TRIGGER update_pack_updated BEFORE UPDATE ON pack
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_runtime_updated BEFORE UPDATE ON runtime
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_worker_updated BEFORE UPDATE ON worker
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_trigger_updated BEFORE UPDATE ON trigger
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_sensor_updated BEFORE UPDATE ON sensor
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_action_updated BEFORE UPDATE ON action
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_rule_updated BEFORE UPDATE ON rule
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_event_updated BEFORE UPDATE ON event
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_enforcement_updated BEFORE UPDATE ON enforcement
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();
CREATE TRIGGER update_execution_updated BEFORE UPDATE ON execution
    FOR EACH ROW EXECUTE FUNCTION update_updated_column();

-- Payloads carry ids only: a notification is limited to 8,000 bytes.
CREATE FUNCTION notify_event_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('event_created', json_build_object(
        'id', NEW.id, 'trigger', NEW.trigger, 'trigger_ref', NEW.trigger_ref, 'created', NEW.created)::text);
    RETURN NEW;
END;
$$;
CREATE TRIGGER notify_event_created AFTER INSERT ON event
    FOR EACH ROW EXECUTE FUNCTION notify_event_created();

CREATE FUNCTION notify_execution_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('execution_change', json_build_object(
        'operation', lower(TG_OP), 'id', NEW.id, 'action_ref', NEW.action_ref, 'status', NEW.status)::text);
    RETURN NEW;
END;
$$;
CREATE TRIGGER notify_execution_change AFTER INSERT OR UPDATE ON execution
    FOR EACH ROW EXECUTE FUNCTION notify_execution_change();
