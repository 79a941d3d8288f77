-- Where migrations keep what they change. Runs in several revisions: an adopted database may lack either table.

CREATE TABLE IF NOT EXISTS runtime_history (
    id bigserial PRIMARY KEY,
    runtime_ref text NOT NULL,
    operation text NOT NULL,
    old jsonb,
    new jsonb,
    changed_by text NOT NULL DEFAULT coalesce(nullif(current_setting('attune.changed_by', true), ''), session_user::text),
    changed_at timestamptz NOT NULL DEFAULT now(),
    note text,
    CONSTRAINT runtime_history_operation
        CHECK (operation IN ('insert', 'update', 'delete', 'rename', 'merge', 'split'))
);
CREATE INDEX IF NOT EXISTS idx_runtime_history_ref ON runtime_history (runtime_ref, id);

-- The values a downgrade puts back: one row for each value of a row that a migration replaced.
CREATE TABLE IF NOT EXISTS migration_original (
    table_name text NOT NULL,
    column_name text NOT NULL,
    row_id bigint NOT NULL,
    old jsonb NOT NULL,
    new jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, column_name, row_id)
);
