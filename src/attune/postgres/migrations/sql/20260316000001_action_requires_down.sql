ALTER TABLE action DROP COLUMN requires;
DO $columns$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'action'::regclass
               AND attname = 'runtime_version_constraint' AND NOT attisdropped
               AND col_description(attrelid, attnum) = 'made by 20260316000001_action_requires') THEN
        ALTER TABLE action DROP COLUMN runtime_version_constraint;
    END IF;
END
$columns$;
