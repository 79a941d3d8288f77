-- What the steps up to June 2026 made of the schema in legacy_schema.sql, from facts read in the public one.
-- Up to the first mark it is a stage between February and June.

DROP TABLE IF EXISTS _sqlx_migrations;
ALTER TABLE runtime DROP CONSTRAINT runtime_ref_format, DROP COLUMN runtime_type;
DROP TYPE runtime_type_enum;
CREATE INDEX idx_runtime_name ON runtime (name);
CREATE INDEX idx_runtime_verification ON runtime USING gin ((distributions -> 'verification'));
ALTER TABLE action ADD parameter_delivery text DEFAULT 'stdin' NOT NULL CHECK (parameter_delivery IN ('stdin', 'file')),
    ADD parameter_format text DEFAULT 'json' NOT NULL CHECK (parameter_format IN ('dotenv', 'json', 'yaml')),
    ADD output_format text DEFAULT 'text' NOT NULL CHECK (output_format IN ('text', 'json', 'yaml', 'jsonl')),
    ADD timeout_seconds integer, ADD max_retries integer DEFAULT 0;
ALTER TABLE execution ADD worker bigint REFERENCES worker (id) ON DELETE SET NULL, ADD started_at timestamptz,
    ADD env_vars jsonb, ADD retry_count integer DEFAULT 0 NOT NULL, ADD max_retries integer, ADD retry_reason text,
    ADD original_execution bigint, ADD workflow_def bigint;
CREATE INDEX idx_execution_worker ON execution (worker);
-- mark
CREATE TABLE identity (id bigserial PRIMARY KEY, login text NOT NULL UNIQUE);
CREATE TABLE workflow_definition (id bigserial PRIMARY KEY, ref text NOT NULL UNIQUE, definition jsonb NOT NULL);
CREATE TABLE workflow_execution (id bigserial PRIMARY KEY, execution bigint NOT NULL REFERENCES execution (id) ON DELETE CASCADE,
    workflow_def bigint NOT NULL REFERENCES workflow_definition (id));
CREATE TABLE permission_set (id bigserial PRIMARY KEY, ref text NOT NULL UNIQUE, grants jsonb DEFAULT '[]' NOT NULL);
CREATE TABLE execution_history (time timestamptz NOT NULL DEFAULT now(), operation text NOT NULL, entity_id bigint NOT NULL);
ALTER TABLE pack ADD dependencies text[] DEFAULT ARRAY[]::text[] NOT NULL, ADD installers jsonb DEFAULT '{}' NOT NULL,
    ADD source_type text, ADD source_url text, ADD source_ref text, ADD checksum text,
    ADD checksum_verified boolean DEFAULT false, ADD installed_at timestamptz, ADD installed_by bigint REFERENCES identity (id),
    ADD installation_method text, ADD storage_path text;
ALTER TABLE runtime ADD aliases text[] NOT NULL, ADD installers jsonb DEFAULT '[]' NOT NULL,
    ADD execution_config jsonb DEFAULT '{}' NOT NULL, ADD auto_detected boolean NOT NULL,
    ADD detection_config jsonb DEFAULT '{}' NOT NULL;
CREATE TABLE runtime_version (id bigserial PRIMARY KEY, runtime bigint NOT NULL REFERENCES runtime (id) ON DELETE CASCADE,
    runtime_ref text NOT NULL, version text NOT NULL, version_major integer, version_minor integer, version_patch integer,
    execution_config jsonb DEFAULT '{}' NOT NULL, distributions jsonb DEFAULT '{}' NOT NULL, is_default boolean DEFAULT false NOT NULL,
    available boolean DEFAULT true NOT NULL, verified_at timestamptz, created timestamptz DEFAULT now() NOT NULL,
    updated timestamptz DEFAULT now() NOT NULL, UNIQUE (runtime, version));
ALTER TABLE worker ADD CONSTRAINT worker_name_key UNIQUE (name), DROP CONSTRAINT worker_runtime_fkey,
    ADD CONSTRAINT worker_runtime_fkey FOREIGN KEY (runtime) REFERENCES runtime (id) ON DELETE SET NULL,
    ADD cordoned boolean DEFAULT false NOT NULL, ADD cordon_reason text, ADD cordoned_by bigint REFERENCES identity (id),
    ADD cordoned_at timestamptz;
ALTER TABLE trigger ADD sensor bigint, ADD sensor_ref text;
ALTER TABLE sensor DROP COLUMN trigger, DROP COLUMN trigger_ref, ALTER description DROP NOT NULL,
    ADD is_adhoc boolean DEFAULT false NOT NULL, ADD runtime_version_constraint text,
    ADD worker_selector jsonb DEFAULT '{}' NOT NULL, ADD worker_tolerations jsonb DEFAULT '[]' NOT NULL,
    ADD worker_affinity jsonb DEFAULT '{}' NOT NULL, ADD log_retention_days integer;
ALTER TABLE trigger ADD CONSTRAINT trigger_sensor_fkey FOREIGN KEY (sensor) REFERENCES sensor (id) ON DELETE SET NULL;
ALTER TABLE action ALTER description DROP NOT NULL, ADD runtime_version_constraint text, DROP COLUMN is_workflow,
    ADD worker_selector jsonb DEFAULT '{}' NOT NULL, ADD worker_tolerations jsonb DEFAULT '[]' NOT NULL,
    ADD worker_affinity jsonb DEFAULT '{}' NOT NULL, ADD accesses_mcp boolean NOT NULL,
    ADD default_execution_permission_set_refs text[] DEFAULT ARRAY[]::text[] NOT NULL, ADD log_retention_days integer,
    ADD CONSTRAINT action_workflow_def_fkey FOREIGN KEY (workflow_def) REFERENCES workflow_definition (id);
ALTER TABLE rule ALTER action DROP NOT NULL, ALTER trigger DROP NOT NULL,
    DROP CONSTRAINT rule_action_fkey, DROP CONSTRAINT rule_trigger_fkey,
    ADD CONSTRAINT rule_action_fkey FOREIGN KEY (action) REFERENCES action (id) ON DELETE SET NULL,
    ADD CONSTRAINT rule_trigger_fkey FOREIGN KEY (trigger) REFERENCES trigger (id) ON DELETE SET NULL,
    ADD permission_set_refs text[] DEFAULT ARRAY[]::text[] NOT NULL, ADD owner_identity bigint REFERENCES identity (id);
DROP TRIGGER update_event_updated ON event;
ALTER TABLE event DROP COLUMN updated;
DROP TRIGGER update_enforcement_updated ON enforcement;
ALTER TABLE enforcement DROP COLUMN updated, ADD resolved_at timestamptz, DROP CONSTRAINT enforcement_event_fkey;
ALTER TABLE execution ADD permission_set_refs text[] DEFAULT ARRAY[]::text[] NOT NULL,
    ADD worker_selector jsonb DEFAULT '{}' NOT NULL, ADD worker_tolerations jsonb DEFAULT '[]' NOT NULL,
    ADD worker_affinity jsonb DEFAULT '{}' NOT NULL;
