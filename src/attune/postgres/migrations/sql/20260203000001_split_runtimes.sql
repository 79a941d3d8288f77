-- Undoes the unify step: the original rows come back under their ids, and everything points where it pointed.
-- A row changed since then keeps the change in every part; a runtime made since then is split by its roles.

CREATE TYPE runtime_type_enum AS ENUM ('action', 'sensor');
ALTER TABLE runtime ADD COLUMN runtime_type runtime_type_enum;

CREATE TABLE attune_split_row AS
WITH original AS (
    SELECT r.id AS family, o.row_id AS id, o.old, o.new, to_jsonb(r) - 'runtime_type' AS now, r.updated
    FROM migration_original AS o JOIN runtime AS r ON r.id = (o.new ->> 'id')::bigint
    WHERE o.table_name = 'runtime' AND o.old ->> 'ref' ~ '^[^.]+\.(action|sensor)\.[^.]+$'
)
SELECT family, id, old ->> 'ref' AS ref,
    CASE WHEN now -> 'pack' = new -> 'pack' THEN old ->> 'pack' ELSE now ->> 'pack' END::bigint AS pack,
    CASE WHEN now -> 'pack_ref' = new -> 'pack_ref' THEN old ->> 'pack_ref' ELSE now ->> 'pack_ref' END AS pack_ref,
    CASE WHEN now -> 'description' = new -> 'description' THEN old ->> 'description' ELSE now ->> 'description' END AS description,
    split_part(old ->> 'ref', '.', 2)::runtime_type_enum AS runtime_type,
    CASE WHEN now -> 'name' = new -> 'name' THEN old ->> 'name' ELSE now ->> 'name' END AS name,
    CASE WHEN now -> 'distributions' = new -> 'distributions' THEN old -> 'distributions' ELSE now -> 'distributions' END
        AS distributions,
    CASE WHEN now -> 'installation' = new -> 'installation' THEN old -> 'installation' ELSE now -> 'installation' END
        AS installation,
    (old ->> 'created')::timestamptz AS created,
    CASE WHEN (now ->> 'updated') = (new ->> 'updated') THEN (old ->> 'updated')::timestamptz ELSE updated END AS updated
FROM original;

-- The type that a row which points at a runtime asks for.
CREATE FUNCTION attune_wanted_type(relation regclass, row_value jsonb) RETURNS runtime_type_enum LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN relation = 'sensor'::regclass OR row_value ->> 'worker_role' = 'sensor'
        THEN 'sensor' ELSE 'action' END::runtime_type_enum
$$;

CREATE TABLE attune_split_use (family bigint, runtime_type runtime_type_enum);

DO $split$
DECLARE
    triggers text[] := attune_own_triggers();
    reference record;
    before_step jsonb;
    after_step jsonb;
    found text;
BEGIN
    SELECT string_agg(ref, ', ' ORDER BY ref) INTO found FROM runtime AS r
    WHERE ref !~ '^[^.]+\.[^.]+$' AND ref !~ '^[^.]+\.(action|sensor)\.[^.]+$'
      AND NOT EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = r.id);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'expected runtime refs of the form pack.name, got %', found
            USING HINT = 'Rename or remove these runtimes, then downgrade again.';
    END IF;
    PERFORM attune_set_triggers(triggers, 'DISABLE');
    before_step := attune_reference_counts();

    FOR reference IN SELECT * FROM attune_runtime_references() LOOP
        EXECUTE format(
            'INSERT INTO attune_split_use SELECT DISTINCT t.%2$I, attune_wanted_type(%1$L, to_jsonb(t))'
            ' FROM %1$s AS t WHERE t.%2$I IS NOT NULL AND NOT EXISTS (SELECT FROM migration_original AS o'
            '   WHERE o.table_name = %1$L AND o.column_name = %2$L AND o.row_id = %3$s'
            '   AND (o.new ->> ''runtime'')::bigint = t.%2$I)',
            reference.relation, reference.link, CASE WHEN reference.has_id THEN 't.id' ELSE 'NULL' END);
    END LOOP;

    -- Rows that fit already keep everything; then what has no original, and what a later user of a family needs.
    INSERT INTO attune_split_row
    SELECT r.id, r.id, r.ref, r.pack, r.pack_ref, r.description, split_part(r.ref, '.', 2)::runtime_type_enum, r.name,
        r.distributions, r.installation, r.created, r.updated
    FROM runtime AS r
    WHERE r.ref ~ '^[^.]+\.(action|sensor)\.[^.]+$' AND NOT EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = r.id);
    WITH wanted AS (
        SELECT r.id AS family, t.runtime_type, EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = r.id) AS has_original
        FROM runtime AS r CROSS JOIN unnest(enum_range(NULL::runtime_type_enum)) AS t (runtime_type)
        WHERE r.ref ~ '^[^.]+\.[^.]+$'
          AND NOT EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = r.id AND s.runtime_type = t.runtime_type)
          AND (EXISTS (SELECT FROM attune_split_use AS u WHERE u.family = r.id AND u.runtime_type = t.runtime_type)
            OR (NOT EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = r.id)
                AND (jsonb_typeof(r.distributions -> 'roles') IS DISTINCT FROM 'array'
                    OR NOT r.distributions -> 'roles' ?| ARRAY['action', 'worker', 'sensor']
                    OR r.distributions -> 'roles' ?| CASE t.runtime_type
                        WHEN 'action' THEN ARRAY['action', 'worker'] ELSE ARRAY['sensor'] END)))
    ), numbered AS (
        SELECT *, NOT has_original AND row_number() OVER (PARTITION BY family ORDER BY runtime_type) = 1 AS keeps_id FROM wanted
    )
    INSERT INTO attune_split_row
    SELECT r.id, CASE WHEN n.keeps_id THEN r.id ELSE nextval(pg_get_serial_sequence('runtime', 'id')) END,
        split_part(r.ref, '.', 1) || '.' || n.runtime_type || '.' || split_part(r.ref, '.', 2), r.pack, r.pack_ref,
        r.description, n.runtime_type, r.name, r.distributions, r.installation, r.created, r.updated
    FROM numbered AS n JOIN runtime AS r ON r.id = n.family;

    SELECT string_agg(DISTINCT ref, ', ') INTO found FROM (SELECT ref FROM attune_split_row GROUP BY ref HAVING count(*) > 1) AS twice;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'expected no runtime under the refs that the split needs, got %', found
            USING HINT = 'Rename or remove these runtimes, then downgrade again.';
    END IF;

    INSERT INTO runtime_history (runtime_ref, operation, old, new, note)
    SELECT r.ref, 'split', to_jsonb(r) - 'runtime_type', to_jsonb(s) - 'family', 'split by a downgrade'
    FROM attune_split_row AS s JOIN runtime AS r ON r.id = s.family
    WHERE to_jsonb(r) - 'runtime_type' <> to_jsonb(s) - 'family' - 'runtime_type'
    ORDER BY r.ref, s.ref;

    UPDATE runtime AS r SET ref = s.ref, pack = s.pack, pack_ref = s.pack_ref, description = s.description,
        runtime_type = s.runtime_type, name = s.name, distributions = s.distributions, installation = s.installation,
        created = s.created, updated = s.updated
    FROM attune_split_row AS s WHERE s.id = r.id;
    INSERT INTO runtime (id, ref, pack, pack_ref, description, runtime_type, name, distributions, installation, created, updated)
    SELECT s.id, s.ref, s.pack, s.pack_ref, s.description, s.runtime_type, s.name, s.distributions, s.installation,
        s.created, s.updated
    FROM attune_split_row AS s WHERE NOT EXISTS (SELECT FROM runtime AS r WHERE r.id = s.id) ORDER BY s.id;

    FOR reference IN SELECT * FROM attune_runtime_references() LOOP
        -- A reference that the unify step moved goes back; any other goes to the part of its own type.
        EXECUTE format(
            'UPDATE %1$s AS t SET %2$I = target.id FROM ('
            '   SELECT u.ctid AS row, coalesce(o.id, s.id) AS id FROM %1$s AS u'
            '   JOIN LATERAL (SELECT p.id FROM attune_split_row AS p WHERE p.family = u.%2$I'
            '     ORDER BY p.runtime_type <> attune_wanted_type(%1$L, to_jsonb(u)), p.id LIMIT 1) AS s ON true'
            '   LEFT JOIN LATERAL (SELECT (m.old ->> ''runtime'')::bigint AS id FROM migration_original AS m'
            '     WHERE m.table_name = %1$L AND m.column_name = %2$L AND m.row_id = %3$s'
            '     AND (m.new ->> ''runtime'')::bigint = u.%2$I'
            '     AND EXISTS (SELECT FROM attune_split_row AS q WHERE q.id = (m.old ->> ''runtime'')::bigint)) AS o ON true'
            ' ) AS target WHERE target.row = t.ctid AND target.id <> t.%2$I',
            reference.relation, reference.link, CASE WHEN reference.has_id THEN 'u.id' ELSE 'NULL' END);
        IF reference.label IS NOT NULL THEN
            EXECUTE format(
                'UPDATE %1$s AS t SET %2$I = r.ref FROM runtime AS r WHERE r.id = t.%3$I AND t.%2$I <> r.ref',
                reference.relation, reference.label, reference.link);
            IF reference.has_id THEN
                EXECUTE format(
                    'UPDATE %1$s AS t SET %2$I = m.old ->> ''ref'' FROM migration_original AS m'
                    ' WHERE m.table_name = %1$L AND m.column_name = %3$L AND m.row_id = t.id AND m.old ->> ''ref'' <> t.%2$I'
                    ' AND (m.old ->> ''runtime'')::bigint IS NOT DISTINCT FROM t.%3$I',
                    reference.relation, reference.label, reference.link);
            END IF;
        END IF;
    END LOOP;
    UPDATE pack AS p SET runtime_deps = ARRAY(SELECT jsonb_array_elements_text(m.old))
    FROM migration_original AS m
    WHERE m.table_name = 'pack' AND m.column_name = 'runtime_deps' AND m.row_id = p.id AND m.new = to_jsonb(p.runtime_deps);

    DELETE FROM runtime AS r WHERE NOT EXISTS (SELECT FROM attune_split_row AS s WHERE s.id = r.id);
    after_step := attune_reference_counts();
    IF after_step <> before_step THEN
        RAISE EXCEPTION 'splitting the runtimes would lose references: before %, after %', before_step, after_step;
    END IF;
    PERFORM attune_set_triggers(triggers, 'ENABLE');
END;
$split$;

DROP TABLE attune_split_use;
DROP TABLE attune_split_row;
DROP FUNCTION attune_wanted_type(regclass, jsonb);
DROP TABLE migration_original;
DO $$
BEGIN
    -- Who changed what is kept, as long as there is anything to keep.
    IF NOT EXISTS (SELECT FROM runtime_history) THEN
        DROP TABLE runtime_history;
    END IF;
END;
$$;

DROP INDEX IF EXISTS idx_runtime_name;
DROP INDEX IF EXISTS idx_runtime_verification;
ALTER TABLE runtime ALTER COLUMN runtime_type SET NOT NULL;
ALTER TABLE runtime ADD CONSTRAINT runtime_ref_format CHECK (ref ~ '^[^.]+\.(action|sensor)\.[^.]+$');
CREATE INDEX idx_runtime_pack_type ON runtime (pack, runtime_type);
CREATE INDEX idx_runtime_type ON runtime (runtime_type);
CREATE INDEX idx_runtime_type_created ON runtime (runtime_type, created DESC);
CREATE INDEX idx_runtime_type_sensor ON runtime (ref) WHERE runtime_type = 'sensor';
