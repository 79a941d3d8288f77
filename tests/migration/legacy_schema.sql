-- An existing installation's schema before its runtimes were unified, as pg_dump would write it.
-- Written apart from the baseline revision, so that the two can be compared.

CREATE TYPE enforcement_condition_enum AS ENUM ('any', 'all');
CREATE TYPE enforcement_status_enum AS ENUM ('created', 'processed', 'disabled');
CREATE TYPE execution_status_enum AS ENUM ('requested', 'scheduling', 'scheduled', 'running', 'completed', 'failed',
    'canceling', 'cancelled', 'timeout', 'abandoned');
CREATE TYPE runtime_type_enum AS ENUM ('action', 'sensor');
CREATE TYPE worker_role_enum AS ENUM ('action', 'sensor', 'hybrid');
CREATE TYPE worker_status_enum AS ENUM ('active', 'inactive', 'busy', 'error');
CREATE TYPE worker_type_enum AS ENUM ('local', 'remote', 'container');

CREATE FUNCTION update_updated_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.updated = NOW(); RETURN NEW; END; $$;
CREATE FUNCTION notify_event_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('event_created', NEW.id::text); RETURN NEW; END; $$;
CREATE FUNCTION notify_execution_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('execution_change', NEW.id::text); RETURN NEW; END; $$;

CREATE TABLE _sqlx_migrations (
    version bigint PRIMARY KEY,
    description text NOT NULL,
    installed_on timestamptz NOT NULL DEFAULT now(),
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);

CREATE TABLE pack (
    id bigserial, ref text NOT NULL, label text NOT NULL, description text, version text NOT NULL,
    conf_schema jsonb DEFAULT '{}'::jsonb NOT NULL, config jsonb DEFAULT '{}'::jsonb NOT NULL,
    meta jsonb DEFAULT '{}'::jsonb NOT NULL, tags text[] DEFAULT ARRAY[]::text[] NOT NULL,
    runtime_deps text[] DEFAULT ARRAY[]::text[] NOT NULL, is_standard boolean DEFAULT false NOT NULL,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pack_ref_format CHECK ((ref ~ '^[a-z][a-z0-9_-]+$')),
    CONSTRAINT pack_ref_lowercase CHECK ((ref = lower(ref))),
    CONSTRAINT pack_version_semver
        CHECK ((version ~ '^\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$'))
);
CREATE TABLE runtime (
    id bigserial, ref text NOT NULL, pack bigint, pack_ref text, description text,
    runtime_type runtime_type_enum NOT NULL, name text NOT NULL, distributions jsonb NOT NULL, installation jsonb,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT runtime_ref_format CHECK ((ref ~ '^[^.]+\.(action|sensor)\.[^.]+$')),
    CONSTRAINT runtime_ref_lowercase CHECK ((ref = lower(ref)))
);
CREATE TABLE worker (
    id bigserial, name text NOT NULL, worker_type worker_type_enum NOT NULL, runtime bigint, host text, port integer,
    status worker_status_enum DEFAULT 'inactive', capabilities jsonb, meta jsonb, last_heartbeat timestamptz,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL,
    worker_role worker_role_enum DEFAULT 'action' NOT NULL,
    CONSTRAINT worker_port_range CHECK (((port IS NULL) OR ((port > 0) AND (port <= 65535))))
);
CREATE TABLE trigger (
    id bigserial, ref text NOT NULL, pack bigint, pack_ref text, label text NOT NULL, description text,
    enabled boolean DEFAULT true NOT NULL, param_schema jsonb, out_schema jsonb,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL,
    webhook_enabled boolean DEFAULT false NOT NULL, webhook_key character varying(64),
    webhook_config jsonb DEFAULT '{}'::jsonb, is_adhoc boolean DEFAULT false NOT NULL,
    CONSTRAINT trigger_ref_format CHECK ((ref ~ '^[^.]+\.[^.]+$')),
    CONSTRAINT trigger_ref_lowercase CHECK ((ref = lower(ref)))
);
CREATE TABLE sensor (
    id bigserial, ref text NOT NULL, pack bigint, pack_ref text, label text NOT NULL, description text NOT NULL,
    entrypoint text NOT NULL, runtime bigint NOT NULL, runtime_ref text NOT NULL, trigger bigint NOT NULL,
    trigger_ref text NOT NULL, enabled boolean NOT NULL, param_schema jsonb, config jsonb,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT sensor_ref_format CHECK ((ref ~ '^[^.]+\.[^.]+$')),
    CONSTRAINT sensor_ref_lowercase CHECK ((ref = lower(ref)))
);
CREATE TABLE event (
    id bigserial, trigger bigint, trigger_ref text NOT NULL, config jsonb, payload jsonb, source bigint, source_ref text,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL, rule bigint, rule_ref text
);
CREATE TABLE rule (
    id bigserial, ref text NOT NULL, pack bigint NOT NULL, pack_ref text NOT NULL, label text NOT NULL,
    description text NOT NULL, action bigint NOT NULL, action_ref text NOT NULL, trigger bigint NOT NULL,
    trigger_ref text NOT NULL, conditions jsonb DEFAULT '[]'::jsonb NOT NULL, action_params jsonb DEFAULT '{}'::jsonb,
    trigger_params jsonb DEFAULT '{}'::jsonb, enabled boolean NOT NULL, created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL, is_adhoc boolean DEFAULT false NOT NULL,
    CONSTRAINT rule_ref_format CHECK ((ref ~ '^[^.]+\.[^.]+$')),
    CONSTRAINT rule_ref_lowercase CHECK ((ref = lower(ref)))
);
CREATE TABLE enforcement (
    id bigserial, rule bigint, rule_ref text NOT NULL, trigger_ref text NOT NULL, config jsonb, event bigint,
    status enforcement_status_enum DEFAULT 'created' NOT NULL, payload jsonb NOT NULL,
    condition enforcement_condition_enum DEFAULT 'all' NOT NULL, conditions jsonb DEFAULT '[]'::jsonb NOT NULL,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT enforcement_condition_check
        CHECK ((condition = ANY (ARRAY['any'::enforcement_condition_enum, 'all'::enforcement_condition_enum])))
);
CREATE TABLE action (
    id bigserial, ref text NOT NULL, pack bigint NOT NULL, pack_ref text NOT NULL, label text NOT NULL,
    description text NOT NULL, entrypoint text NOT NULL, runtime bigint, param_schema jsonb, out_schema jsonb,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL,
    is_workflow boolean DEFAULT false NOT NULL, workflow_def bigint, is_adhoc boolean DEFAULT false NOT NULL,
    CONSTRAINT action_ref_format CHECK ((ref ~ '^[^.]+\.[^.]+$')),
    CONSTRAINT action_ref_lowercase CHECK ((ref = lower(ref)))
);
CREATE TABLE execution (
    id bigserial, action bigint, action_ref text NOT NULL, config jsonb, parent bigint, enforcement bigint,
    executor bigint, status execution_status_enum DEFAULT 'requested' NOT NULL, result jsonb,
    created timestamptz DEFAULT now() NOT NULL, updated timestamptz DEFAULT now() NOT NULL, workflow_task jsonb
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['pack', 'runtime', 'worker', 'trigger', 'sensor', 'event', 'rule', 'enforcement', 'action',
                                'execution'] LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I PRIMARY KEY (id)', name, name || '_pkey');
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION update_updated_column()',
            'update_' || name || '_updated', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['pack', 'runtime', 'trigger', 'sensor', 'rule', 'action'] LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I UNIQUE (ref)', name, name || '_ref_key');
    END LOOP;
END; $$;
ALTER TABLE trigger ADD CONSTRAINT trigger_webhook_key_key UNIQUE (webhook_key);

ALTER TABLE runtime ADD CONSTRAINT runtime_pack_fkey FOREIGN KEY (pack) REFERENCES pack(id) ON DELETE CASCADE;
ALTER TABLE worker ADD CONSTRAINT worker_runtime_fkey FOREIGN KEY (runtime) REFERENCES runtime(id);
ALTER TABLE trigger ADD CONSTRAINT trigger_pack_fkey FOREIGN KEY (pack) REFERENCES pack(id) ON DELETE CASCADE;
ALTER TABLE sensor ADD CONSTRAINT sensor_pack_fkey FOREIGN KEY (pack) REFERENCES pack(id) ON DELETE CASCADE;
ALTER TABLE sensor ADD CONSTRAINT sensor_runtime_fkey FOREIGN KEY (runtime) REFERENCES runtime(id) ON DELETE CASCADE;
ALTER TABLE sensor ADD CONSTRAINT sensor_trigger_fkey FOREIGN KEY (trigger) REFERENCES trigger(id) ON DELETE CASCADE;
ALTER TABLE action ADD CONSTRAINT action_pack_fkey FOREIGN KEY (pack) REFERENCES pack(id) ON DELETE CASCADE;
ALTER TABLE action ADD CONSTRAINT action_runtime_fkey FOREIGN KEY (runtime) REFERENCES runtime(id);
ALTER TABLE rule ADD CONSTRAINT rule_pack_fkey FOREIGN KEY (pack) REFERENCES pack(id) ON DELETE CASCADE;
ALTER TABLE rule ADD CONSTRAINT rule_action_fkey FOREIGN KEY (action) REFERENCES action(id);
ALTER TABLE rule ADD CONSTRAINT rule_trigger_fkey FOREIGN KEY (trigger) REFERENCES trigger(id);
ALTER TABLE event ADD CONSTRAINT event_trigger_fkey FOREIGN KEY (trigger) REFERENCES trigger(id) ON DELETE SET NULL;
ALTER TABLE event ADD CONSTRAINT event_source_fkey FOREIGN KEY (source) REFERENCES sensor(id) ON DELETE SET NULL;
ALTER TABLE event ADD CONSTRAINT event_rule_fkey FOREIGN KEY (rule) REFERENCES rule(id) ON DELETE SET NULL;
ALTER TABLE enforcement ADD CONSTRAINT enforcement_rule_fkey FOREIGN KEY (rule) REFERENCES rule(id) ON DELETE SET NULL;
ALTER TABLE enforcement ADD CONSTRAINT enforcement_event_fkey FOREIGN KEY (event) REFERENCES event(id) ON DELETE SET NULL;
ALTER TABLE execution ADD CONSTRAINT execution_action_fkey FOREIGN KEY (action) REFERENCES action(id);
ALTER TABLE execution ADD CONSTRAINT execution_parent_fkey FOREIGN KEY (parent) REFERENCES execution(id);
ALTER TABLE execution ADD CONSTRAINT execution_enforcement_fkey FOREIGN KEY (enforcement) REFERENCES enforcement(id);

CREATE TRIGGER notify_event_created AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION notify_event_created();
CREATE TRIGGER notify_execution_change AFTER INSERT OR UPDATE ON execution
    FOR EACH ROW EXECUTE FUNCTION notify_execution_change();

CREATE INDEX idx_runtime_created ON runtime USING btree (created DESC);
CREATE INDEX idx_runtime_pack ON runtime USING btree (pack);
CREATE INDEX idx_runtime_pack_type ON runtime USING btree (pack, runtime_type);
CREATE INDEX idx_runtime_ref ON runtime USING btree (ref);
CREATE INDEX idx_runtime_type ON runtime USING btree (runtime_type);
CREATE INDEX idx_runtime_type_created ON runtime USING btree (runtime_type, created DESC);
CREATE INDEX idx_runtime_type_sensor ON runtime USING btree (ref) WHERE (runtime_type = 'sensor'::runtime_type_enum);
CREATE INDEX idx_worker_last_heartbeat ON worker USING btree (last_heartbeat DESC);
CREATE INDEX idx_worker_name ON worker USING btree (name);
CREATE INDEX idx_worker_role ON worker USING btree (worker_role);
CREATE INDEX idx_worker_role_status ON worker USING btree (worker_role, status);
CREATE INDEX idx_worker_runtime ON worker USING btree (runtime);
CREATE INDEX idx_worker_status ON worker USING btree (status);
CREATE INDEX idx_worker_status_runtime ON worker USING btree (status, runtime);
CREATE INDEX idx_worker_type ON worker USING btree (worker_type);
CREATE INDEX idx_worker_type_status ON worker USING btree (worker_type, status);
