DROP TRIGGER record_runtime_change ON runtime;
DROP FUNCTION record_runtime_change();
DROP TRIGGER notify_runtime_change ON runtime;
DROP FUNCTION notify_runtime_change();
DROP INDEX idx_worker_name_role;
DROP TABLE worker_runtime;
ALTER TABLE worker RESET (fillfactor);
CREATE INDEX idx_worker_last_heartbeat ON worker (last_heartbeat DESC);

DO $restore$
DECLARE
    triggers text[] := attune_own_triggers();
    granted record;
BEGIN
    PERFORM attune_set_triggers(triggers, 'DISABLE');
    UPDATE worker AS w SET name = o.old ->> 'name',
        meta = CASE WHEN w.meta = o.new -> 'meta' THEN nullif(o.old -> 'meta', 'null'::jsonb) ELSE w.meta - 'renamed_from' END
    FROM migration_original AS o
    WHERE o.table_name = 'worker' AND o.column_name = 'name' AND o.row_id = w.id AND w.name = o.new ->> 'name';
    DELETE FROM migration_original WHERE table_name = 'worker' AND column_name = 'name';
    -- The former states say less: a node that starts, or that nobody hears of, is inactive; one that drains is busy.
    UPDATE worker SET status = CASE status::text WHEN 'draining' THEN 'busy' ELSE 'inactive' END::worker_status_enum
    WHERE status::text IN ('starting', 'draining', 'stale', 'lost');
    PERFORM attune_set_triggers(triggers, 'ENABLE');

    FOR granted IN
        SELECT r.rolname, c.relkind, c.oid::regclass AS relation
        FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE c.relnamespace = current_schema()::regnamespace AND r.rolname IN ('attune_admin', 'attune_node')
        GROUP BY r.rolname, c.relkind, c.oid
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %I',
            CASE granted.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, granted.relation, granted.rolname);
    END LOOP;
END;
$restore$;

-- PostgreSQL cannot remove a label from an enum, so the type is made anew. Where something else was built on it,
-- the labels stay: they do no harm.
DO $labels$
BEGIN
    ALTER TYPE worker_status_enum RENAME TO attune_worker_status_former;
    CREATE TYPE worker_status_enum AS ENUM ('active', 'inactive', 'busy', 'error');
    ALTER TABLE worker ALTER COLUMN status DROP DEFAULT;
    ALTER TABLE worker ALTER COLUMN status TYPE worker_status_enum USING status::text::worker_status_enum;
    ALTER TABLE worker ALTER COLUMN status SET DEFAULT 'inactive';
    DROP TYPE attune_worker_status_former;
EXCEPTION WHEN dependent_objects_still_exist OR feature_not_supported OR undefined_function OR datatype_mismatch THEN
    NULL;
END;
$labels$;
