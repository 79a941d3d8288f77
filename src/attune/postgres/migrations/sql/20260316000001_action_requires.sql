-- What an action needs besides its runtime: terms, as in docs/reference/requirements.md. Some installations have the
-- constraint already; the comment tells a downgrade that this revision made the column.
DO $columns$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'action'::regclass
                   AND attname = 'runtime_version_constraint' AND NOT attisdropped) THEN
        ALTER TABLE action ADD COLUMN runtime_version_constraint text;
        COMMENT ON COLUMN action.runtime_version_constraint IS 'made by 20260316000001_action_requires';
    END IF;
END
$columns$;
ALTER TABLE action ADD COLUMN requires jsonb NOT NULL DEFAULT '[]'::jsonb
    CONSTRAINT action_requires_list CHECK (jsonb_typeof(requires) = 'array');
