DO $enforcement$
BEGIN
    IF obj_description('enforcement'::regclass, 'pg_class') = 'made by 20260415000001_packs' THEN
        DROP TABLE enforcement;
    END IF;
END
$enforcement$;
DO $columns$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'sensor'::regclass
               AND attname = 'runtime_version_constraint' AND NOT attisdropped
               AND col_description(attrelid, attnum) = 'made by 20260415000001_packs') THEN
        ALTER TABLE sensor DROP COLUMN runtime_version_constraint;
    END IF;
END
$columns$;
ALTER TABLE sensor DROP COLUMN interpreter_args, DROP COLUMN requires;
ALTER TABLE action
    DROP COLUMN result_file, DROP COLUMN on_lost, DROP COLUMN retry_delay_seconds, DROP COLUMN retries,
    DROP COLUMN timeout_seconds, DROP COLUMN parameter_delivery, DROP COLUMN interpreter_args, DROP COLUMN prefers;
ALTER TABLE pack DROP COLUMN loaded, DROP COLUMN digest;
DROP TABLE pack_file;
DROP TABLE pack_version;
