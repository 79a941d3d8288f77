-- How the unify step and its downgrade find what points at a runtime. Dropped at the end of either.

-- Every column that holds a runtime's id, whoever's table it is in: with the text column that repeats the ref
-- (`runtime` and `runtime_ref`), and whether the table has an `id` that a record can name.
-- The three tables of Attune count even where somebody left out the foreign key.
CREATE FUNCTION attune_runtime_references() RETURNS TABLE (relation regclass, link name, label name, has_id boolean)
LANGUAGE sql STABLE AS $$
    WITH reference AS (
        SELECT c.conrelid AS relation, c.conkey[1] AS number FROM pg_constraint AS c
        WHERE c.contype = 'f' AND c.confrelid = 'runtime'::regclass AND cardinality(c.conkey) = 1 AND c.conparentid = 0
        UNION
        SELECT a.attrelid, a.attnum FROM pg_attribute AS a
        WHERE a.attrelid IN ('action'::regclass, 'sensor'::regclass, 'worker'::regclass)
          AND a.attname = 'runtime' AND NOT a.attisdropped
    )
    SELECT r.relation::regclass, a.attname,
        (SELECT l.attname FROM pg_attribute AS l
         WHERE l.attrelid = r.relation AND l.attname = a.attname || '_ref' AND l.attnum > 0 AND NOT l.attisdropped),
        EXISTS (SELECT FROM pg_attribute AS i
                WHERE i.attrelid = r.relation AND i.attname = 'id' AND i.attnum > 0 AND NOT i.attisdropped
                  AND i.atttypid IN ('bigint'::regtype, 'integer'::regtype, 'smallint'::regtype))
    FROM reference AS r JOIN pg_attribute AS a ON a.attrelid = r.relation AND a.attnum = r.number
    ORDER BY r.relation::regclass::text, a.attname
$$;

-- Blocks writers, not readers, of every table involved: the counts taken before must hold after.
CREATE FUNCTION attune_lock_runtimes() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    reference record;
BEGIN
    LOCK TABLE pack, runtime IN SHARE ROW EXCLUSIVE MODE;
    FOR reference IN SELECT DISTINCT relation FROM attune_runtime_references() LOOP
        EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', reference.relation);
    END LOOP;
END;
$$;

-- The triggers that stamp `updated` and write history, as "table TRIGGER name": these steps keep both themselves,
-- and a row whose runtime got another number has not been updated by anybody. All other triggers keep firing.
CREATE FUNCTION attune_own_triggers() RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(format('%s %%s TRIGGER %I', t.tgrelid::regclass, t.tgname) ORDER BY t.oid), '{}')
    FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled = 'O'
      AND p.proname IN ('update_updated_column', 'record_runtime_change')
      AND (t.tgrelid IN ('runtime'::regclass, 'pack'::regclass)
           OR t.tgrelid IN (SELECT relation FROM attune_runtime_references()))
$$;

CREATE FUNCTION attune_set_triggers(triggers text[], state text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY triggers LOOP
        EXECUTE 'ALTER TABLE ' || format(one, state);
    END LOOP;
END;
$$;

-- How many rows each referencing table has, and how many of them point at nothing.
CREATE FUNCTION attune_reference_counts() RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    reference record;
    counted jsonb;
    result jsonb := '{}';
BEGIN
    FOR reference IN SELECT * FROM attune_runtime_references() LOOP
        EXECUTE format(
            'SELECT jsonb_build_object(''rows'', count(*), ''linked'', count(t.%1$I),'
            ' ''dangling'', count(t.%1$I) FILTER (WHERE r.id IS NULL))'
            ' FROM %2$s AS t LEFT JOIN runtime AS r ON r.id = t.%1$I', reference.link, reference.relation)
        INTO counted;
        result := result || jsonb_build_object(reference.relation || '.' || reference.link, counted);
    END LOOP;
    RETURN result;
END;
$$;
