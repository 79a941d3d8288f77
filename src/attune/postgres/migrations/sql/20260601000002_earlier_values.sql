-- What an earlier installation said in columns of its own, in ours. What cannot be said is kept by name, for the report.

CREATE FUNCTION attune_array(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]' END
$$;
CREATE FUNCTION attune_object(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'object' THEN value ELSE '{}' END
$$;

-- The term of a requirement that says the same of a label; NULL where none can.
CREATE FUNCTION attune_label_term(label text, operator text, listed jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN label !~ '^[A-Za-z]([A-Za-z0-9_.+#/-]*[A-Za-z0-9_+#])?$' OR label ~ '^[a-z][a-z0-9_+#-]*(\.[a-z_][a-z0-9_+#-]*)+$'
            OR length(label) > 128 OR listed @> '[null]' OR listed::text ~ '\\|[{]|\[\[' OR v.quoted ~ '[[:cntrl:]]' THEN NULL
        WHEN lower(operator) = 'in' AND v.count = 1 THEN lower(label) || '=' || v.quoted
        WHEN lower(operator) = 'in' AND v.count > 1 THEN lower(label) || ' in (' || v.quoted || ')'
        WHEN lower(operator) = 'notin' AND v.count > 0 THEN lower(label) || ' not in (' || v.quoted || ')'
        WHEN lower(operator) = 'exists' THEN lower(label)
        WHEN lower(operator) = 'doesnotexist' THEN '!' || lower(label)
    END
    FROM (SELECT count(*), coalesce(string_agg(CASE WHEN e.value ~ '^[A-Za-z][A-Za-z-]*$' THEN e.value ELSE '"' || e.value || '"' END,
        ', '), '') AS quoted FROM jsonb_array_elements_text(attune_array(listed)) AS e (value)) AS v
$$;

-- The terms of selector, tolerations and affinity of a row, and (as kind `left`) what none says.
CREATE FUNCTION attune_placement(line jsonb) RETURNS TABLE (kind text, said text) LANGUAGE sql STABLE AS $$
    WITH preference AS (
        SELECT 'requires' AS kind, '' AS weight, e.value AS whole, e.value AS body
        FROM jsonb_array_elements(attune_array(line -> 'worker_affinity' -> 'required')) AS e (value)
        UNION ALL
        SELECT 'prefers', ' *' || greatest(1, least(100, CASE jsonb_typeof(e.value -> 'weight') WHEN 'number'
            THEN (e.value ->> 'weight')::numeric ELSE 1 END))::int, e.value, coalesce(e.value -> 'preference', e.value)
        FROM jsonb_array_elements(attune_array(line -> 'worker_affinity' -> 'preferred')) AS e (value)
    ), label AS (
        SELECT 'requires' AS kind, '' AS weight, e.key AS name, 'in' AS operator, jsonb_build_array(e.value) AS listed,
            'worker_selector ' || e.key || ': ' || e.value AS whole
        FROM jsonb_each(attune_object(line -> 'worker_selector')) AS e
        UNION ALL
        SELECT p.kind, p.weight, e.key, 'in', jsonb_build_array(e.value), format('worker_affinity %s', p.whole)
        FROM preference AS p, jsonb_each(attune_object(p.body -> 'match_labels')) AS e
        UNION ALL
        SELECT p.kind, p.weight, e.value ->> 'key', e.value ->> 'operator', e.value -> 'values', format('worker_affinity %s', p.whole)
        FROM preference AS p, jsonb_array_elements(attune_array(p.body -> 'match_expressions')) AS e (value)
    ), term AS (
        SELECT l.kind, attune_label_term(l.name, l.operator, l.listed) || l.weight AS said, l.whole FROM label AS l
        UNION ALL
        SELECT 'requires', 'tolerates ' || CASE WHEN t.taint ~ '^[A-Za-z][A-Za-z0-9_-]*$' THEN t.taint
            WHEN t.taint !~ '["[:cntrl:]]' THEN '"' || t.taint || '"' END, format('worker_tolerations %s', e.value)
        FROM jsonb_array_elements(attune_array(line -> 'worker_tolerations')) AS e (value)
        CROSS JOIN LATERAL (VALUES (e.value ->> 'key'),
            (CASE WHEN nullif(e.value ->> 'value', '') IS NOT NULL THEN (e.value ->> 'key') || '=' || (e.value ->> 'value')
                ELSE e.value ->> 'key' END)) AS t (taint)
        UNION ALL
        SELECT 'left', NULL, format('worker_affinity %s', p.whole) FROM preference AS p
        WHERE NOT p.body ?| ARRAY['match_labels', 'match_expressions']
        UNION ALL
        SELECT 'left', NULL, c.name || ' ' || (line -> c.name)
        FROM (VALUES ('worker_selector', 'object'), ('worker_tolerations', 'array'), ('worker_affinity', 'object')) AS c (name, type)
        WHERE jsonb_typeof(line -> c.name) NOT IN (c.type, 'null') OR EXISTS (
            SELECT FROM jsonb_each(attune_object(line -> 'worker_affinity')) AS e
            WHERE c.name = 'worker_affinity' AND (e.key NOT IN ('required', 'preferred') OR jsonb_typeof(e.value) NOT IN ('array', 'null')))
    )
    SELECT DISTINCT CASE WHEN t.said IS NULL THEN 'left' ELSE t.kind END, coalesce(t.said, t.whole) FROM term AS t
$$;

DO $values$
DECLARE
    disabled text[] := ARRAY(SELECT format('ALTER TABLE %s %%s TRIGGER %I', t.tgrelid::regclass, t.tgname)
        FROM pg_trigger AS t WHERE NOT t.tgisinternal AND t.tgenabled = 'O' AND t.tgname NOT IN ('follow_action_runtime', 'record_runtime_change')
          AND t.tgrelid IN ('action'::regclass, 'sensor'::regclass, 'runtime'::regclass, 'worker'::regclass, 'execution'::regclass));
    one text;
    before jsonb;
BEGIN
    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'DISABLE');
    END LOOP;

    -- Where work may run, for how long, how often.
    UPDATE action AS a SET
        requires = CASE WHEN a.requires = '[]' THEN p.requires ELSE a.requires END,
        prefers = CASE WHEN a.prefers = '[]' THEN p.prefers ELSE a.prefers END,
        timeout_seconds = coalesce(a.timeout_seconds, CASE WHEN p.timeout > 0 THEN p.timeout END),
        retries = CASE WHEN a.retries = 0 THEN greatest(p.retries, 0) ELSE a.retries END
    FROM (SELECT x.id, (to_jsonb(x) ->> 'earlier_timeout_seconds')::float8 AS timeout,
            coalesce((to_jsonb(x) ->> 'max_retries')::int, 0) AS retries,
            coalesce(jsonb_agg(t.said ORDER BY t.said) FILTER (WHERE t.kind = 'requires'), '[]') AS requires,
            coalesce(jsonb_agg(t.said ORDER BY t.said) FILTER (WHERE t.kind = 'prefers'), '[]') AS prefers
        FROM action AS x LEFT JOIN LATERAL attune_placement(to_jsonb(x)) AS t ON true GROUP BY x.id) AS p
    WHERE p.id = a.id AND (p.requires <> '[]' OR p.prefers <> '[]' OR p.timeout > 0 OR p.retries > 0);
    UPDATE sensor AS s SET requires = p.requires
    FROM (SELECT x.id, jsonb_agg(t.said ORDER BY t.said) AS requires
        FROM sensor AS x CROSS JOIN LATERAL attune_placement(to_jsonb(x)) AS t WHERE t.kind = 'requires' GROUP BY x.id) AS p
    WHERE p.id = s.id AND s.requires = '[]';

    -- Timers had their config in the rules of their trigger: one that all of these agree on is the sensor's.
    INSERT INTO migration_original (table_name, column_name, row_id, old, new)
    SELECT 'sensor', 'config', id, coalesce(config, 'null'), 'null' FROM sensor
    WHERE runtime_ref = 'core.sensor.builtin' AND coalesce(config, '{}') IN ('{}', 'null') ON CONFLICT DO NOTHING;
    UPDATE sensor AS s SET config = r.config
    FROM (SELECT trigger, min(trigger_params::text)::jsonb AS config FROM rule WHERE enabled AND trigger_params <> '{}'
        GROUP BY trigger HAVING count(DISTINCT trigger_params) = 1) AS r
    WHERE r.trigger = s.trigger AND s.runtime_ref = 'core.sensor.builtin' AND coalesce(s.config, '{}') IN ('{}', 'null');

    -- Who ran what. What nobody holds any more ends.
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'execution'::regclass AND attname = 'earlier_worker') THEN
        UPDATE execution AS e SET worker = e.earlier_worker WHERE e.earlier_worker IS NOT NULL
            AND EXISTS (SELECT FROM worker AS w WHERE w.id = e.earlier_worker);
    END IF;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'execution'::regclass AND attname = 'earlier_started_at') THEN
        UPDATE execution AS e SET started_at = e.earlier_started_at WHERE e.earlier_started_at IS NOT NULL;
    END IF;
    INSERT INTO migration_original (table_name, column_name, row_id, old, new)
    SELECT 'execution', 'status', id, to_jsonb(status), 'null' FROM execution
    WHERE policy IS NULL AND status IN ('running', 'canceling') ON CONFLICT DO NOTHING;
    UPDATE execution SET reason = 'nobody held it any more when its installation was moved',
        status = CASE status WHEN 'canceling' THEN 'cancelled' ELSE 'abandoned' END::execution_status_enum
    WHERE policy IS NULL AND status IN ('running', 'canceling');

    -- Nodes that were to take nothing more.
    IF EXISTS (SELECT FROM worker AS w WHERE to_jsonb(w) -> 'cordoned' = 'true') THEN
        INSERT INTO migration_original (table_name, column_name, row_id, old, new)
        SELECT 'worker', 'cordoned', w.id, jsonb_build_object('status', w.status, 'meta', w.meta), 'null' FROM worker AS w
        WHERE to_jsonb(w) -> 'cordoned' = 'true' ON CONFLICT DO NOTHING;
        UPDATE worker AS w SET status = 'draining',
            meta = attune_object(w.meta) || jsonb_build_object('drain_reason', to_jsonb(w) -> 'cordon_reason', 'was', 'draining')
        WHERE to_jsonb(w) -> 'cordoned' = 'true';
    END IF;

    -- What runtimes are called, how they are started, and the versions of them that were told apart.
    FOR before IN SELECT to_jsonb(r) FROM runtime AS r LOOP
        UPDATE runtime AS r SET distributions = r.distributions
            || CASE WHEN attune_array(before -> 'aliases') <> '[]' THEN jsonb_build_object('aliases', before -> 'aliases') ELSE '{}' END
            || coalesce((SELECT jsonb_build_object('start', s.start) FROM (SELECT jsonb_strip_nulls(jsonb_build_object(
                'args', nullif(attune_array(before #> '{execution_config,interpreter,args}'), '[]'),
                'environment', (SELECT jsonb_object_agg(e.key, e.value)
                    FROM jsonb_each(attune_object(before #> '{execution_config,env_vars}')) AS e
                    WHERE jsonb_typeof(e.value) = 'string' AND e.key ~ '^[A-Za-z_][A-Za-z0-9_]*$'))) AS start) AS s
                WHERE s.start <> '{}'), '{}')
        WHERE r.id = (before ->> 'id')::bigint AND jsonb_typeof(r.distributions) = 'object';
        IF to_regclass('runtime_version') IS NOT NULL THEN
            UPDATE runtime AS r SET distributions = r.distributions || jsonb_build_object('verification',
                attune_object(r.distributions -> 'verification') || jsonb_build_object('discover', 'all', 'commands', v.commands))
            FROM (SELECT jsonb_agg(c.command ORDER BY c.rank, c.number) AS commands, count(*) FILTER (WHERE c.rank > 0) AS more FROM (
                SELECT 0 AS rank, e.number, e.command FROM jsonb_array_elements(
                    attune_array(before #> '{distributions,verification,commands}')) WITH ORDINALITY AS e (command, number)
                UNION ALL
                SELECT 1, row_number() OVER (ORDER BY x.is_default DESC, x.version DESC), x.command
                        || jsonb_build_object('priority', 100 + row_number() OVER (ORDER BY x.is_default DESC, x.version DESC))
                FROM (SELECT to_jsonb(rv) ->> 'is_default' AS is_default, rv.version, c.command
                    FROM runtime_version AS rv CROSS JOIN LATERAL (
                        SELECT e.value FROM jsonb_array_elements(
                            attune_array(to_jsonb(rv) #> '{distributions,verification,commands}')) AS e (value)
                        UNION ALL
                        SELECT jsonb_build_object('binary', to_jsonb(rv) #> '{execution_config,interpreter,binary}', 'args', '["--version"]'::jsonb)
                        WHERE attune_array(to_jsonb(rv) #> '{distributions,verification,commands}') = '[]'
                    ) AS c (command)
                    WHERE rv.runtime = (before ->> 'id')::bigint AND c.command ->> 'binary' ~ '^(/[^{}]*|[^/{} ]+)$') AS x
                ) AS c) AS v
            WHERE r.id = (before ->> 'id')::bigint AND v.more > 0 AND jsonb_typeof(r.distributions) = 'object';
        END IF;
        INSERT INTO migration_original (table_name, column_name, row_id, old, new)
        SELECT 'runtime', 'distributions', r.id, before -> 'distributions', r.distributions FROM runtime AS r
        WHERE r.id = (before ->> 'id')::bigint AND r.distributions <> before -> 'distributions'
        ON CONFLICT (table_name, column_name, row_id) DO UPDATE SET old = excluded.old, new = excluded.new, recorded_at = now();
    END LOOP;

    -- What has no equal here.
    INSERT INTO migration_original (table_name, column_name, row_id, old, new)
    SELECT n.relation, 'left', n.id, jsonb_agg(n.said ORDER BY n.said), to_jsonb(n.ref) FROM (
        SELECT 'trigger' AS relation, id, ref, 'its webhook: nothing receives it here' AS said FROM trigger WHERE webhook_enabled
        UNION ALL
        SELECT 'trigger', t.id, t.ref, format('sensor %s is bound to trigger %s: what it prints for this one has to name it', s.ref,
            s.trigger_ref)
        FROM trigger AS t JOIN sensor AS s ON to_jsonb(t) ->> 'sensor' = s.id::text WHERE s.trigger <> t.id
        UNION ALL
        SELECT 'sensor', id, ref, 'no trigger names it' FROM sensor WHERE trigger IS NULL
        UNION ALL
        SELECT 'sensor', s.id, s.ref, 'it has no config, and the rules of its trigger do not agree on one' FROM sensor AS s
        WHERE s.runtime_ref = 'core.sensor.builtin' AND coalesce(s.config, '{}') IN ('{}', 'null')
            AND EXISTS (SELECT FROM rule AS r WHERE r.trigger = s.trigger AND r.enabled)
        UNION ALL
        SELECT 'sensor', s.id, s.ref, p.said FROM sensor AS s CROSS JOIN LATERAL attune_placement(to_jsonb(s)) AS p WHERE p.kind <> 'requires'
        UNION ALL
        SELECT 'action', a.id, a.ref, p.said FROM action AS a CROSS JOIN LATERAL attune_placement(to_jsonb(a)) AS p WHERE p.kind = 'left'
        UNION ALL
        SELECT 'action', id, ref, 'it is a workflow: nothing runs workflows here' FROM action WHERE is_workflow
        UNION ALL
        SELECT 'action', a.id, a.ref, replace(c.name, 'earlier_', '') || ' ' || (c.line ->> c.name) FROM action AS a CROSS JOIN LATERAL (VALUES
            (to_jsonb(a), 'output_format', '["text", "json", "jsonl"]'::jsonb), (to_jsonb(a), 'accesses_mcp', '[false]'),
            (to_jsonb(a), 'default_execution_permission_set_refs', '[[]]')) AS c (line, name, usual)
        WHERE NOT c.usual @> jsonb_build_array(coalesce(c.line -> c.name, c.usual -> 0)) AND c.line -> c.name <> 'null'
        UNION ALL
        SELECT 'rule', r.id, r.ref, c.said FROM rule AS r CROSS JOIN LATERAL (VALUES
            (r.action IS NULL, format('its action %s is gone', r.action_ref)), (r.trigger IS NULL, format('its trigger %s is gone', r.trigger_ref)),
            (to_jsonb(r) -> 'permission_set_refs' <> '[]', 'permission_set_refs ' || (to_jsonb(r) ->> 'permission_set_refs'))) AS c (holds, said)
        WHERE c.holds
        UNION ALL
        SELECT 'runtime', r.id, r.ref, c.name || ' ' || left((to_jsonb(r) #> c.path)::text, 300) FROM runtime AS r CROSS JOIN (VALUES
            ('environment', '{execution_config,environment}'::text[]), ('dependencies', '{execution_config,dependencies}'),
            ('installers', '{installers}'), ('detection_config', '{detection_config}')) AS c (name, path)
        WHERE (to_jsonb(r) #> c.path) NOT IN ('{}', '[]', 'null')
    ) AS n GROUP BY n.relation, n.id, n.ref
    ON CONFLICT (table_name, column_name, row_id) DO UPDATE SET old = excluded.old, new = excluded.new, recorded_at = now();
    IF to_regclass('runtime_version') IS NOT NULL THEN
        INSERT INTO migration_original (table_name, column_name, row_id, old, new)
        SELECT 'runtime_version', 'left', v.id, jsonb_build_array('it names no command by which it can be told'),
            to_jsonb(v.runtime_ref || ' ' || v.version)
        FROM runtime_version AS v
        WHERE coalesce(to_jsonb(v) #>> '{execution_config,interpreter,binary}', '') !~ '^(/[^{}]*|[^/{} ]+)$'
            AND attune_array(to_jsonb(v) #> '{distributions,verification,commands}') = '[]' ON CONFLICT DO NOTHING;
    END IF;

    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'ENABLE');
    END LOOP;
END;
$values$;

DROP FUNCTION attune_placement(jsonb);
DROP FUNCTION attune_label_term(text, text, jsonb);
DROP FUNCTION attune_object(jsonb);
DROP FUNCTION attune_array(jsonb);
