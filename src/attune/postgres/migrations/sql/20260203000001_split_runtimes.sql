-- Undoes the unify step: the original rows come back under their ids, and everything points where it pointed.
-- A row changed since then keeps the change in every part; a runtime made since then is split by its roles.

CREATE TYPE runtime_type_enum AS ENUM ('action', 'sensor');
ALTER TABLE runtime ADD COLUMN runtime_type runtime_type_enum;

-- The types that a united definition is meant for.
CREATE FUNCTION attune_split_types(distributions jsonb) RETURNS SETOF runtime_type_enum LANGUAGE sql STABLE AS $$
    SELECT t.type FROM unnest(enum_range(NULL::runtime_type_enum)) AS t (type)
    WHERE jsonb_typeof(distributions -> 'roles') IS DISTINCT FROM 'array'
        OR NOT distributions -> 'roles' ?| ARRAY['action', 'worker', 'sensor']
        OR distributions -> 'roles' ?| CASE t.type WHEN 'action' THEN ARRAY['action', 'worker'] ELSE ARRAY['sensor'] END
$$;

-- The type that a row which points at a runtime asks for.
CREATE FUNCTION attune_wanted_type(relation regclass, row_value jsonb) RETURNS runtime_type_enum LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN relation = 'sensor'::regclass OR row_value ->> 'worker_role' = 'sensor'
        THEN 'sensor' ELSE 'action' END::runtime_type_enum
$$;

CREATE FUNCTION attune_half_ref(whole text, type runtime_type_enum) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT split_part(whole, '.', 1) || '.' || type || '.' || split_part(whole, '.', 2)
$$;

-- The rows to be: of which united row each is a part (`family`), and which former row it was (`source`).
-- A former row that was whole already is split as well; a half that has its place takes what the whole said.
CREATE TABLE attune_split_row AS
WITH recorded AS (
    SELECT r.id AS family, o.row_id AS source, o.old, o.new, to_jsonb(r) - 'runtime_type' AS now, r.updated,
        o.old ->> 'ref' ~ '^[^.]+\.(action|sensor)\.[^.]+$' AS is_half
    FROM migration_original AS o JOIN runtime AS r ON r.id = (o.new ->> 'id')::bigint
    WHERE o.table_name = 'runtime' AND o.old ->> 'ref' ~ '^[^.]+\.((action|sensor)\.)?[^.]+$'
), part AS (
    SELECT h.*, split_part(h.old ->> 'ref', '.', 2)::runtime_type_enum AS type, h.old ->> 'ref' AS ref, EXISTS (
            SELECT FROM recorded AS whole WHERE whole.family = h.family AND NOT whole.is_half
            AND attune_half_ref(whole.old ->> 'ref', split_part(h.old ->> 'ref', '.', 2)::runtime_type_enum) = h.old ->> 'ref'
        ) AS changed
    FROM recorded AS h WHERE h.is_half
    UNION ALL
    SELECT w.*, t.type, attune_half_ref(w.old ->> 'ref', t.type), false
    FROM recorded AS w CROSS JOIN attune_split_types(w.old -> 'distributions') AS t (type)
    WHERE NOT w.is_half AND NOT EXISTS (
        SELECT FROM recorded AS h WHERE h.family = w.family AND h.old ->> 'ref' = attune_half_ref(w.old ->> 'ref', t.type))
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY source ORDER BY type) AS number FROM part
)
SELECT family, source, CASE WHEN number = 1 THEN source ELSE nextval(pg_get_serial_sequence('runtime', 'id')) END AS id, ref,
    CASE WHEN changed OR now -> 'pack' <> new -> 'pack' THEN now ->> 'pack' ELSE old ->> 'pack' END::bigint AS pack,
    CASE WHEN changed OR now -> 'pack_ref' <> new -> 'pack_ref' THEN now ->> 'pack_ref' ELSE old ->> 'pack_ref' END AS pack_ref,
    CASE WHEN changed OR now -> 'description' <> new -> 'description'
        THEN now ->> 'description' ELSE old ->> 'description' END AS description,
    type AS runtime_type,
    CASE WHEN changed OR now -> 'name' <> new -> 'name' THEN now ->> 'name' ELSE old ->> 'name' END AS name,
    CASE WHEN changed OR now -> 'distributions' <> new -> 'distributions'
        THEN now -> 'distributions' ELSE old -> 'distributions' END AS distributions,
    nullif(CASE WHEN changed OR now -> 'installation' <> new -> 'installation'
        THEN now -> 'installation' ELSE old -> 'installation' END, 'null'::jsonb) AS installation,
    (old ->> 'created')::timestamptz AS created,
    CASE WHEN changed OR now ->> 'updated' <> new ->> 'updated' THEN updated ELSE (old ->> 'updated')::timestamptz END AS updated
FROM numbered;

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

    FOR reference IN SELECT * FROM attune_runtime_references()
        WHERE relation IN ('action'::regclass, 'sensor'::regclass, 'worker'::regclass)
    LOOP
        EXECUTE format(
            'INSERT INTO attune_split_use SELECT DISTINCT t.%2$I, attune_wanted_type(%1$L, to_jsonb(t))'
            ' FROM %1$s AS t WHERE t.%2$I IS NOT NULL AND NOT EXISTS (SELECT FROM migration_original AS o'
            '   WHERE o.table_name = %1$L AND o.column_name = %2$L AND o.row_id = %3$s'
            '   AND (o.new ->> ''runtime'')::bigint = t.%2$I)',
            reference.relation, reference.link, CASE WHEN reference.has_id THEN 't.id' ELSE 'NULL' END);
    END LOOP;

    -- Rows that fit already keep everything; then what has no original, and what a later user of a family needs.
    INSERT INTO attune_split_row
    SELECT r.id, r.id, r.id, r.ref, r.pack, r.pack_ref, r.description, split_part(r.ref, '.', 2)::runtime_type_enum, r.name,
        r.distributions, r.installation, r.created, r.updated
    FROM runtime AS r
    WHERE r.ref ~ '^[^.]+\.(action|sensor)\.[^.]+$' AND NOT EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = r.id);
    WITH family AS (
        SELECT r.id, r.ref, r.distributions, EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = r.id) AS known
        FROM runtime AS r WHERE r.ref ~ '^[^.]+\.[^.]+$'
    ), wanted AS (
        SELECT f.id, f.known, t.type FROM family AS f CROSS JOIN unnest(enum_range(NULL::runtime_type_enum)) AS t (type)
        WHERE NOT EXISTS (SELECT FROM attune_split_row AS s WHERE s.family = f.id AND s.runtime_type = t.type)
          AND (EXISTS (SELECT FROM attune_split_use AS u WHERE u.family = f.id AND u.runtime_type = t.type)
               OR (NOT f.known AND t.type IN (SELECT attune_split_types(f.distributions))))
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY id ORDER BY type) AS number FROM wanted
    )
    INSERT INTO attune_split_row
    SELECT r.id, CASE WHEN NOT n.known THEN r.id END, CASE WHEN n.number = 1 AND NOT n.known THEN r.id ELSE nextval(pg_get_serial_sequence('runtime', 'id')) END,
        attune_half_ref(r.ref, n.type), r.pack, r.pack_ref, r.description, n.type, r.name, r.distributions, r.installation,
        r.created, r.updated
    FROM numbered AS n JOIN runtime AS r ON r.id = n.id;

    SELECT string_agg(DISTINCT ref, ', ') INTO found FROM (SELECT ref FROM attune_split_row GROUP BY ref HAVING count(*) > 1) AS twice;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'expected no runtime under the refs that the split needs, got %', found
            USING HINT = 'Rename or remove these runtimes, then downgrade again.';
    END IF;

    INSERT INTO runtime_history (runtime_ref, operation, old, new, note)
    SELECT r.ref, 'split', to_jsonb(r) - 'runtime_type', to_jsonb(s) - 'family' - 'source', 'split by a downgrade'
    FROM attune_split_row AS s JOIN runtime AS r ON r.id = s.family
    WHERE to_jsonb(r) - 'runtime_type' <> to_jsonb(s) - 'family' - 'source' - 'runtime_type'
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
            '   SELECT u.ctid AS row, s.id FROM %1$s AS u'
            '   LEFT JOIN migration_original AS m ON m.table_name = %1$L AND m.column_name = %2$L AND m.row_id = %3$s'
            '     AND (m.new ->> ''runtime'')::bigint = u.%2$I'
            '   JOIN LATERAL (SELECT p.id FROM attune_split_row AS p WHERE p.family = u.%2$I'
            '     ORDER BY p.source IS DISTINCT FROM (m.old ->> ''runtime'')::bigint,'
            '       p.runtime_type <> attune_wanted_type(%1$L, to_jsonb(u)), p.id LIMIT 1) AS s ON true'
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
DROP FUNCTION attune_half_ref(text, runtime_type_enum);
DROP FUNCTION attune_wanted_type(regclass, jsonb);
DROP FUNCTION attune_split_types(jsonb);
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
