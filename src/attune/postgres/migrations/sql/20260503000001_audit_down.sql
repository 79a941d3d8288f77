DO $triggers$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT t.tgname, t.tgrelid::regclass AS relation FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE c.relnamespace = current_schema()::regnamespace
          AND t.tgname IN ('audit_change', 'audit_removal', 'audit_requests', 'stamp_audit')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', one.tgname, one.relation);
    END LOOP;
END;
$triggers$;
DROP FUNCTION audit_requests;
DROP FUNCTION audit_change;
DROP FUNCTION audit_actor;
DROP FUNCTION count_refusals;
DROP FUNCTION stamp_audit;
ALTER TABLE runtime_history DROP COLUMN login;
DELETE FROM audit WHERE status IS NULL;
ALTER TABLE audit
    DROP COLUMN session,
    DROP COLUMN login,
    DROP COLUMN program,
    DROP COLUMN code,
    DROP COLUMN count,
    DROP COLUMN last,
    ALTER COLUMN status SET NOT NULL;
