-- The shape of table `runtime` once its rows are united: no type, other indexes.

ALTER TABLE runtime DROP COLUMN IF EXISTS runtime_type;
DROP TYPE IF EXISTS runtime_type_enum;
CREATE INDEX IF NOT EXISTS idx_runtime_name ON runtime (name);
CREATE INDEX IF NOT EXISTS idx_runtime_verification ON runtime USING gin ((distributions -> 'verification'));
