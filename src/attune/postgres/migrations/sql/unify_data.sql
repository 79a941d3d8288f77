-- One row for each runtime. Changes nothing where that is so already.

SELECT attune_lock_runtimes();
ALTER TABLE runtime DROP CONSTRAINT IF EXISTS runtime_ref_format;

-- Every row that belongs to a family with something to do, the preferred member of each family first:
-- a row that has the unified ref already, then the usual spelling, then actions before sensors, then age.
CREATE TABLE attune_unify_member AS
WITH member AS (
    SELECT r.id, r.ref, attune_unified_ref(r.ref) AS target, to_jsonb(r) AS old,
        row_number() OVER (
            PARTITION BY attune_unified_ref(r.ref)
            ORDER BY r.ref <> attune_unified_ref(r.ref),
                split_part(r.ref, '.', 3) <> split_part(attune_unified_ref(r.ref), '.', 2),
                split_part(r.ref, '.', 2), r.id
        ) AS rank,
        r.ref <> attune_unified_ref(r.ref) OR jsonb_typeof(r.distributions) = 'array'
            OR (r.ref = 'core.sensor.builtin' AND jsonb_typeof(r.distributions) = 'object' AND NOT r.distributions ? 'roles')
            AS concerned
    FROM runtime AS r
)
SELECT id, ref, target, old, rank, first_value(id) OVER (PARTITION BY target ORDER BY rank) AS survivor
FROM member WHERE target IN (SELECT target FROM member WHERE concerned);

CREATE TABLE attune_unify_row AS
WITH family AS (
    SELECT m.survivor, m.target,
        (array_agg(r.pack ORDER BY m.rank) FILTER (WHERE r.pack IS NOT NULL))[1] AS pack,
        (array_agg(r.pack_ref ORDER BY m.rank) FILTER (WHERE r.pack_ref IS NOT NULL))[1] AS pack_ref,
        (array_agg(r.description ORDER BY m.rank) FILTER (WHERE r.description IS NOT NULL))[1] AS description,
        attune_unified_name((array_agg(r.name ORDER BY m.rank))[1]) AS name,
        attune_unified_definition(array_agg(r.distributions ORDER BY m.rank), split_part(m.target, '.', -1)) AS distributions,
        attune_unified_installation(array_agg(r.installation ORDER BY m.rank)) AS installation,
        min(r.created) AS created,
        max(r.updated) AS updated
    FROM attune_unify_member AS m JOIN runtime AS r ON r.id = m.id
    GROUP BY m.survivor, m.target
)
SELECT f.survivor AS id, f.target AS ref,
    coalesce(f.pack, (SELECT p.id FROM pack AS p WHERE p.ref = f.pack_ref)) AS pack,
    f.pack_ref, f.description, f.name,
    CASE WHEN f.target = 'core.sensor.builtin' AND jsonb_typeof(f.distributions) = 'object'
        THEN '{"roles": ["sensor"]}'::jsonb || f.distributions ELSE f.distributions END AS distributions,
    f.installation, f.created, f.updated
FROM family AS f;

-- Every ref that will be.
CREATE TABLE attune_unify_ref AS
SELECT target AS ref FROM attune_unify_member UNION SELECT attune_unified_ref(ref) FROM runtime;

DO $unify$
DECLARE
    triggers text[] := attune_own_triggers();
    reference record;
    before_step jsonb;
    after_step jsonb;
    strayed bigint;
BEGIN
    PERFORM attune_set_triggers(triggers, 'DISABLE');
    before_step := attune_reference_counts();

    FOR reference IN SELECT * FROM attune_runtime_references() LOOP
        IF reference.has_id THEN
            EXECUTE format(
                'INSERT INTO migration_original AS o (table_name, column_name, row_id, old, new)'
                ' SELECT %1$L, %2$L, t.id,'
                '   jsonb_build_object(''runtime'', t.%2$I, ''ref'', %3$s),'
                '   jsonb_build_object(''runtime'', coalesce(m.survivor, t.%2$I), ''ref'', CASE WHEN %3$s IS NOT NULL'
                '     THEN coalesce(m.target, r.ref, x.ref, %3$s) END)'
                ' FROM %1$s AS t LEFT JOIN attune_unify_member AS m ON m.id = t.%2$I LEFT JOIN runtime AS r ON r.id = t.%2$I'
                ' LEFT JOIN attune_unify_ref AS x ON t.%2$I IS NULL AND x.ref = attune_unified_ref(%3$s) AND x.ref <> %3$s'
                ' WHERE m.id IS NOT NULL OR x.ref IS NOT NULL OR %3$s <> r.ref'
                ' ON CONFLICT (table_name, column_name, row_id) DO UPDATE SET new = excluded.new, recorded_at = now(),'
                '   old = CASE WHEN o.new = excluded.old THEN o.old ELSE excluded.old END',
                reference.relation, reference.link, coalesce('t.' || quote_ident(reference.label), 'NULL::text'));
        END IF;
        BEGIN
            EXECUTE format(
                'UPDATE %1$s AS t SET %2$I = m.survivor FROM attune_unify_member AS m'
                ' WHERE m.id = t.%2$I AND m.id <> m.survivor', reference.relation, reference.link);
        EXCEPTION WHEN unique_violation THEN
            RAISE EXCEPTION 'table % has rows of both halves of one runtime and cannot hold them as one', reference.relation
                USING ERRCODE = 'unique_violation', DETAIL = SQLERRM,
                HINT = 'Remove one row of each such pair in that table, then migrate again.';
        END;
    END LOOP;

    DELETE FROM runtime AS r USING attune_unify_member AS m WHERE m.id = r.id AND m.id <> m.survivor;
    UPDATE runtime AS r SET ref = u.ref, pack = u.pack, pack_ref = u.pack_ref, description = u.description, name = u.name,
        distributions = u.distributions, installation = u.installation, created = u.created, updated = u.updated
    FROM attune_unify_row AS u WHERE u.id = r.id;

    INSERT INTO runtime_history (runtime_ref, operation, old, new, note)
    SELECT m.target,
        CASE WHEN m.id <> m.survivor THEN 'merge' WHEN m.ref <> m.target THEN 'rename' ELSE 'update' END,
        m.old, to_jsonb(r) - 'runtime_type', 'unified by a migration'
    FROM attune_unify_member AS m JOIN runtime AS r ON r.id = m.survivor
    WHERE m.id <> m.survivor OR m.old <> to_jsonb(r)
    ORDER BY m.target, m.rank;
    INSERT INTO migration_original AS o (table_name, column_name, row_id, old, new)
    SELECT 'runtime', 'id', m.id, m.old, to_jsonb(r) - 'runtime_type'
    FROM attune_unify_member AS m JOIN runtime AS r ON r.id = m.survivor
    ON CONFLICT (table_name, column_name, row_id) DO UPDATE SET new = excluded.new, recorded_at = now(),
        old = CASE WHEN o.new = excluded.old - 'runtime_type' THEN o.old ELSE excluded.old END;

    FOR reference IN SELECT * FROM attune_runtime_references() WHERE label IS NOT NULL LOOP
        EXECUTE format(
            'UPDATE %1$s AS t SET %2$I = r.ref FROM runtime AS r WHERE r.id = t.%3$I AND t.%2$I <> r.ref',
            reference.relation, reference.label, reference.link);
        EXECUTE format(
            'UPDATE %1$s AS t SET %2$I = r.ref FROM runtime AS r'
            ' WHERE t.%3$I IS NULL AND r.ref = attune_unified_ref(t.%2$I) AND r.ref <> t.%2$I',
            reference.relation, reference.label, reference.link);
    END LOOP;

    INSERT INTO migration_original AS o (table_name, column_name, row_id, old, new)
    SELECT 'pack', 'runtime_deps', p.id, to_jsonb(p.runtime_deps), to_jsonb(d.deps)
    FROM pack AS p CROSS JOIN LATERAL (
        SELECT array_agg(dep ORDER BY position) AS deps FROM (
            SELECT coalesce(r.ref, e.dep) AS dep, min(e.position) AS position
            FROM unnest(p.runtime_deps) WITH ORDINALITY AS e (dep, position)
            LEFT JOIN runtime AS r ON r.ref = attune_unified_ref(e.dep)
            GROUP BY 1) AS followed
    ) AS d
    WHERE EXISTS (SELECT FROM runtime AS r, unnest(p.runtime_deps) AS dep WHERE r.ref = attune_unified_ref(dep) AND r.ref <> dep)
    ON CONFLICT (table_name, column_name, row_id) DO UPDATE SET new = excluded.new, recorded_at = now(),
        old = CASE WHEN o.new = excluded.old THEN o.old ELSE excluded.old END;
    UPDATE pack AS p SET runtime_deps = ARRAY(SELECT jsonb_array_elements_text(o.new))
    FROM migration_original AS o
    WHERE o.table_name = 'pack' AND o.column_name = 'runtime_deps' AND o.row_id = p.id AND o.recorded_at = now();

    after_step := attune_reference_counts();
    IF after_step <> before_step THEN
        RAISE EXCEPTION 'uniting the runtimes would lose references: before %, after %', before_step, after_step;
    END IF;
    FOR reference IN SELECT * FROM attune_runtime_references() WHERE has_id LOOP
        EXECUTE format(
            'SELECT count(*) FROM migration_original AS o LEFT JOIN %1$s AS t ON t.id = o.row_id'
            ' JOIN attune_unify_member AS m ON m.id = (o.old ->> ''runtime'')::bigint'
            ' WHERE o.table_name = %1$L AND o.column_name = %2$L AND o.recorded_at = now()'
            ' AND t.%2$I IS DISTINCT FROM m.survivor', reference.relation, reference.link) INTO strayed;
        IF strayed > 0 THEN
            RAISE EXCEPTION 'uniting the runtimes would move % rows of % to a wrong runtime', strayed, reference.relation;
        END IF;
    END LOOP;
    PERFORM attune_set_triggers(triggers, 'ENABLE');
END;
$unify$;

DROP TABLE attune_unify_ref;
DROP TABLE attune_unify_row;
DROP TABLE attune_unify_member;
