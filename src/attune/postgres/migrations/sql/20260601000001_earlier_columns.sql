-- What steps of the earlier installation after February 2026 made gets out of the way of ours, and what they took away
-- comes back. Each change is recorded with what undoes it. Nothing is done where they made nothing.

CREATE FUNCTION attune_change(change text, undo text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    INSERT INTO migration_original (table_name, column_name, row_id, old, new)
    SELECT 'earlier_columns', '', count(*) + 1, to_jsonb(undo), 'null' FROM migration_original WHERE table_name = 'earlier_columns';
END;
$$;

CREATE FUNCTION attune_has_column(relation text, name text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(relation) AND attname = name AND NOT attisdropped)
$$;

DO $columns$
DECLARE
    disabled text[] := ARRAY(SELECT format('ALTER TABLE %s %%s TRIGGER %I', t.tgrelid::regclass, t.tgname)
        FROM pg_trigger AS t WHERE NOT t.tgisinternal AND t.tgenabled = 'O'
          AND t.tgrelid IN (to_regclass('action'), to_regclass('sensor'), to_regclass('event'), to_regclass('enforcement')));
    one text;
    found record;
BEGIN
    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'DISABLE');
    END LOOP;
    -- Columns and indexes under names that later revisions use.
    FOR found IN
        SELECT t.name AS relation, c.name FROM (VALUES
            ('action', 'concurrency grace_seconds interpreter_args on_lost parameter_delivery paused_at paused_by prefers priority requires'
                ' result_file retries retry_delay_seconds retry_max_delay_seconds runtime_row_ref timeout_seconds'),
            ('event', 'pending'),
            ('execution', 'action_version attempt deadline dropped_bytes exit_code extra_requires failures finished_at'
                ' given_priority interpreter job losses lost_attempt not_before not_started on_lost pack_digest policy priority'
                ' queue reason requirement retries retry_delay_seconds retry_of sealed started_at timeline timeout_seconds worker'
                ' worker_name'),
            ('pack', 'digest loaded'),
            ('rule', 'at_most_every_seconds delay_seconds overlap overruns paused priority'),
            ('sensor', 'interpreter_args requires'),
            ('worker', 'boot_id epoch generation heard_at_uptime instance_key login problem refused')
        ) AS t (name, columns) CROSS JOIN LATERAL unnest(string_to_array(t.columns, ' ')) AS c (name)
        WHERE attune_has_column(t.name, c.name)
    LOOP
        PERFORM attune_change(
            format('ALTER TABLE %I RENAME COLUMN %I TO %I', found.relation, found.name, 'earlier_' || found.name),
            format('ALTER TABLE %I RENAME COLUMN %I TO %I', found.relation, 'earlier_' || found.name, found.name));
    END LOOP;
    FOR found IN
        SELECT i.name FROM unnest(ARRAY['idx_execution_worker', 'idx_execution_waiting', 'idx_execution_offered',
            'idx_execution_due', 'idx_execution_held', 'idx_execution_deadline', 'idx_execution_in_use', 'idx_execution_retry_of',
            'idx_event_pending', 'idx_enforcement_created', 'idx_worker_name_role']) AS i (name)
        WHERE to_regclass(i.name) IS NOT NULL
    LOOP
        PERFORM attune_change(format('ALTER INDEX %I RENAME TO %I', found.name, 'earlier_' || found.name),
            format('ALTER INDEX %I RENAME TO %I', 'earlier_' || found.name, found.name));
    END LOOP;

    -- Columns that they took away.
    FOR found IN
        SELECT * FROM (VALUES
            ('sensor', 'trigger', 'bigint REFERENCES trigger (id) ON DELETE CASCADE'),
            ('sensor', 'trigger_ref', $$text NOT NULL DEFAULT ''$$),
            ('event', 'updated', 'timestamptz NOT NULL DEFAULT now()'),
            ('enforcement', 'updated', 'timestamptz NOT NULL DEFAULT now()'),
            ('action', 'is_workflow', 'boolean NOT NULL DEFAULT false'),
            ('action', 'workflow_def', 'bigint'),
            ('action', 'is_adhoc', 'boolean NOT NULL DEFAULT false')
        ) AS c (relation, name, kind)
        WHERE to_regclass(c.relation) IS NOT NULL AND NOT attune_has_column(c.relation, c.name)
    LOOP
        PERFORM attune_change(format('ALTER TABLE %I ADD COLUMN %I %s', found.relation, found.name, found.kind),
            format('ALTER TABLE %I DROP COLUMN %I', found.relation, found.name));
        IF found.name = 'updated' THEN
            EXECUTE format('UPDATE %1$I AS t SET updated = coalesce((to_jsonb(t) ->> ''resolved_at'')::timestamptz, created)',
                found.relation);
        ELSIF found.name = 'is_workflow' THEN
            UPDATE action SET is_workflow = true WHERE (to_jsonb(action) ->> 'workflow_def') IS NOT NULL;
            IF to_regclass('workflow_definition') IS NOT NULL THEN
                UPDATE action AS a SET is_workflow = true FROM workflow_definition AS d
                WHERE NOT a.is_workflow AND (to_jsonb(d) ->> 'action' = a.id::text OR to_jsonb(d) ->> 'ref' = a.ref);
            END IF;
        END IF;
    END LOOP;
    IF attune_has_column('trigger', 'sensor') THEN
        UPDATE sensor AS s SET trigger = t.id, trigger_ref = t.ref
        FROM (SELECT DISTINCT ON (sensor) sensor, id, ref FROM trigger ORDER BY sensor, id) AS t
        WHERE t.sensor = s.id AND s.trigger IS NULL;
    END IF;

    -- What must be given, and nothing of ours gives it.
    FOR found IN
        SELECT c.relname AS relation, a.attname AS name, CASE
            WHEN t.typtype = 'e' THEN (SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder LIMIT 1)
            WHEN a.attndims > 0 OR t.typelem <> 0 THEN '{}'
            WHEN t.typname = 'bool' THEN 'false' WHEN t.typname IN ('json', 'jsonb') THEN '{}'
            WHEN t.typcategory = 'N' THEN '0' WHEN t.typcategory = 'D' THEN 'epoch' ELSE '' END AS value
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE c.relnamespace = current_schema()::regnamespace
            AND c.relname IN ('pack', 'runtime', 'worker', 'trigger', 'sensor', 'event', 'rule', 'enforcement', 'action', 'execution')
            AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND t.typtype IN ('b', 'e') AND NOT a.attisdropped
            AND a.attname NOT IN ('id', 'ref', 'label', 'version', 'name', 'distributions', 'worker_type', 'description',
                'entrypoint', 'runtime', 'runtime_ref', 'runtime_type', 'trigger', 'trigger_ref', 'enabled', 'pack', 'pack_ref',
                'action', 'action_ref', 'rule_ref', 'payload')
    LOOP
        PERFORM attune_change(
            format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT %L', found.relation, found.name, found.value),
            format('ALTER TABLE %I ALTER COLUMN %I DROP DEFAULT', found.relation, found.name));
    END LOOP;

    -- A label that is new in a type cannot be used before the end of the transaction, except in a type that is new itself.
    IF attune_has_column('worker', 'cordoned') THEN
        ALTER TYPE worker_status_enum RENAME TO earlier_worker_status;
        EXECUTE (SELECT format('CREATE TYPE worker_status_enum AS ENUM (%s, ''starting'', ''draining'', ''stale'', ''lost'')',
            string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder))
            FROM pg_enum WHERE enumtypid = 'earlier_worker_status'::regtype);
        ALTER TABLE worker ALTER status DROP DEFAULT, ALTER status TYPE worker_status_enum USING status::text::worker_status_enum,
            ALTER status SET DEFAULT 'inactive';
        DROP TYPE earlier_worker_status;
    END IF;

    -- A node of each role may have the same name.
    FOR found IN
        SELECT conname AS name, pg_get_constraintdef(oid) AS kind FROM pg_constraint
        WHERE conrelid = 'worker'::regclass AND contype = 'u' AND pg_get_constraintdef(oid) LIKE 'UNIQUE (name)%'
    LOOP
        PERFORM attune_change(format('ALTER TABLE worker DROP CONSTRAINT %I', found.name),
            format('ALTER TABLE worker ADD CONSTRAINT %I %s', found.name, found.kind));
    END LOOP;
    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'ENABLE');
    END LOOP;
END;
$columns$;

DROP FUNCTION attune_change(text, text);
DROP FUNCTION attune_has_column(text, text);
