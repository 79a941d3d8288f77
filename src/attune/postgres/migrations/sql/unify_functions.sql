-- What the unify step computes with. Dropped at the end of the step.

-- The unified ref of a split one; any other ref is its own.
CREATE FUNCTION attune_unified_ref(ref text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN ref = 'core.sensor.builtin' OR ref !~ '^[^.]+\.(action|sensor)\.[^.]+$' THEN ref
        ELSE split_part(ref, '.', 1) || '.' || CASE split_part(ref, '.', 3)
            WHEN 'python3' THEN 'python'
            WHEN 'node' THEN 'nodejs'
            ELSE split_part(ref, '.', 3)
        END
    END
$$;

-- "Python 3 Action Runtime" -> "Python": the name says what the runtime is, no longer who uses it.
CREATE FUNCTION attune_unified_name(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    WITH plain AS (
        SELECT coalesce(nullif(regexp_replace(btrim(name), '\s*\m(action|sensor)\s+runtime$', '', 'i'), ''), name) AS name
    )
    SELECT CASE lower(plain.name)
        WHEN 'python' THEN 'Python' WHEN 'python3' THEN 'Python' WHEN 'python 3' THEN 'Python'
        WHEN 'node' THEN 'Node.js' WHEN 'nodejs' THEN 'Node.js' WHEN 'node.js' THEN 'Node.js' WHEN 'node js' THEN 'Node.js'
        WHEN 'shell' THEN 'Shell' WHEN 'native' THEN 'Native'
        WHEN 'builtin' THEN 'Built-in' WHEN 'built-in' THEN 'Built-in' WHEN 'built-in sensors' THEN 'Built-in'
        ELSE plain.name
    END FROM plain
$$;

CREATE FUNCTION attune_jsonb_array(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]'::jsonb END
$$;

-- a, completed with what only b has; where both have a value, a's stays.
CREATE FUNCTION attune_jsonb_complete(a jsonb, b jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result jsonb := a;
    entry record;
BEGIN
    IF a IS NULL OR a = 'null'::jsonb THEN
        RETURN coalesce(b, a);
    END IF;
    IF jsonb_typeof(a) <> 'object' OR jsonb_typeof(b) IS DISTINCT FROM 'object' THEN
        RETURN a;
    END IF;
    FOR entry IN SELECT key, value FROM jsonb_each(b) LOOP
        result := result || jsonb_build_object(entry.key, attune_jsonb_complete(a -> entry.key, entry.value));
    END LOOP;
    RETURN result;
END;
$$;

-- a followed by the elements that only b has. A list is only united with a list.
CREATE FUNCTION attune_jsonb_union(a jsonb, b jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT a || coalesce((
        SELECT jsonb_agg(e.value ORDER BY e.position)
        FROM jsonb_array_elements(b) WITH ORDINALITY AS e (value, position)
        WHERE NOT a @> jsonb_build_array(e.value)
    ), '[]'::jsonb)
$$;

-- Numbers of a version, to tell which of two limits is less strict.
CREATE FUNCTION attune_version_key(version jsonb) RETURNS numeric[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(m.number[1]::numeric ORDER BY m.position)
    FROM regexp_matches(version #>> '{}', '\d+', 'g') WITH ORDINALITY AS m (number, position)
$$;

-- A list of program names becomes verification commands; native and builtin runtimes are no programs.
CREATE FUNCTION attune_unified_list(listed jsonb, runtime_name text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN jsonb_typeof(listed) <> 'array' THEN listed
        WHEN runtime_name IN ('native', 'builtin')
            THEN '{"verification": {"always_available": true, "check_required": false}}'::jsonb
        ELSE coalesce((
            SELECT jsonb_build_object('verification', jsonb_build_object('commands', jsonb_agg(
                CASE WHEN jsonb_typeof(program.value) = 'object' THEN program.value
                ELSE jsonb_build_object(
                    'binary', btrim(program.value #>> '{}'), 'args', '["--version"]'::jsonb, 'priority', program.position)
                END ORDER BY program.position)))
            FROM jsonb_array_elements(listed) WITH ORDINALITY AS program (value, position)
            WHERE (jsonb_typeof(program.value) = 'string' AND btrim(program.value #>> '{}') <> '')
               OR program.value ? 'binary'
            HAVING count(*) > 0
        ), '{}'::jsonb)
    END
$$;

-- The commands of several definitions, the preferred definition first: lowest priority first, each once.
-- A command made from a listed name gives way to the same call in a definition that says more about it, and what
-- is no command at all gives way to any that is: one broken definition must not make the others invalid.
CREATE FUNCTION attune_unified_commands(originals jsonb[], definitions jsonb[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    WITH command AS (
        SELECT c.value, d.rank, c.position, jsonb_typeof(originals[d.rank]) = 'array' AS listed,
            CASE WHEN jsonb_typeof(c.value -> 'priority') = 'number' THEN (c.value ->> 'priority')::numeric ELSE 999 END AS priority,
            CASE WHEN jsonb_typeof(c.value) = 'object'
                THEN ('{"args": [], "exit_code": 0}'::jsonb || c.value) - 'priority' ELSE c.value END AS call
        FROM unnest(definitions) WITH ORDINALITY AS d (value, rank),
            jsonb_array_elements(attune_jsonb_array(d.value -> 'verification' -> 'commands')) WITH ORDINALITY AS c (value, position)
    ), distinct_command AS (
        SELECT DISTINCT ON (call) * FROM command ORDER BY call, listed, priority, rank, position
    )
    SELECT jsonb_agg(value ORDER BY priority, rank, position) FROM distinct_command AS one
    WHERE (jsonb_typeof(one.value -> 'binary') = 'string'
        OR NOT EXISTS (SELECT FROM command AS other WHERE jsonb_typeof(other.value -> 'binary') = 'string'))
    AND NOT (one.listed AND EXISTS (
        SELECT FROM command AS other
        WHERE NOT other.listed AND other.value -> 'binary' = one.value -> 'binary' AND other.value -> 'args' = one.value -> 'args'
    ))
$$;

-- The less strict of each limit that several definitions set.
CREATE FUNCTION attune_unified_limits(definitions jsonb[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    WITH definition AS (
        SELECT value, rank FROM unnest(definitions) WITH ORDINALITY AS d (value, rank) WHERE jsonb_typeof(value) = 'object'
    ), constraints AS (
        SELECT DISTINCT ON (value ->> 'version_constraint') value ->> 'version_constraint' AS wanted, rank FROM definition
        WHERE jsonb_typeof(value -> 'version_constraint') = 'string' ORDER BY 1, 2
    )
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'min_version', (SELECT value -> 'min_version' FROM definition
            WHERE attune_version_key(value -> 'min_version') IS NOT NULL
            ORDER BY attune_version_key(value -> 'min_version'), rank LIMIT 1),
        'max_version', (SELECT value -> 'max_version' FROM definition
            WHERE attune_version_key(value -> 'max_version') IS NOT NULL
            ORDER BY attune_version_key(value -> 'max_version') DESC, rank LIMIT 1),
        'version_constraint', (SELECT string_agg(wanted, ' || ' ORDER BY rank) FROM constraints HAVING count(*) > 1)
    ))
$$;

-- What several rows say of their installation, the preferred row first.
CREATE FUNCTION attune_unified_installation(originals jsonb[]) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result jsonb;
    original jsonb;
BEGIN
    FOREACH original IN ARRAY originals LOOP
        result := attune_jsonb_complete(result, original);
    END LOOP;
    RETURN result;
END;
$$;

-- One definition out of several, the preferred one first. Nothing that one of them offered is withdrawn:
-- commands are united, limits become the less strict ones, missing keys are filled in.
CREATE FUNCTION attune_unified_definition(originals jsonb[], runtime_name text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    definitions jsonb[];
    objects jsonb[];
    result jsonb;
    definition jsonb;
    commands jsonb;
    list_key text;
BEGIN
    definitions := ARRAY(SELECT attune_unified_list(d.value, runtime_name)
        FROM unnest(originals) WITH ORDINALITY AS d (value, rank) ORDER BY d.rank);
    IF cardinality(definitions) = 1 THEN
        RETURN definitions[1];
    END IF;
    objects := ARRAY(
        SELECT CASE WHEN d.value ? 'verification' AND jsonb_typeof(d.value -> 'verification') <> 'object'
            THEN d.value - 'verification' ELSE d.value END
        FROM unnest(definitions) WITH ORDINALITY AS d (value, rank) WHERE jsonb_typeof(d.value) = 'object' ORDER BY d.rank);
    IF cardinality(objects) = 0 THEN
        RETURN definitions[1];
    END IF;
    FOREACH definition IN ARRAY objects LOOP
        result := attune_jsonb_complete(result, definition);
        FOREACH list_key IN ARRAY ARRAY['aliases', 'languages'] LOOP
            IF jsonb_typeof(result -> list_key) = 'array' AND jsonb_typeof(definition -> list_key) = 'array' THEN
                result := jsonb_set(result, ARRAY[list_key], attune_jsonb_union(result -> list_key, definition -> list_key));
            END IF;
        END LOOP;
    END LOOP;
    result := result || attune_unified_limits(objects);
    IF result ? 'roles' THEN
        result := result - 'roles' || attune_unified_roles(objects);
    END IF;
    commands := attune_unified_commands(originals, definitions);
    IF commands IS NOT NULL THEN
        result := jsonb_set(result, '{verification,commands}', commands);
    END IF;
    IF EXISTS (SELECT FROM unnest(objects) AS o WHERE o -> 'verification' -> 'always_available' = 'true'::jsonb) THEN
        result := jsonb_set(result, '{verification,always_available}', 'true');
    END IF;
    IF EXISTS (SELECT FROM unnest(objects) AS o WHERE o -> 'verification' -> 'check_required' = 'false'::jsonb) THEN
        result := jsonb_set(result, '{verification,check_required}', 'false');
    END IF;
    RETURN result;
END;
$$;

-- Every role that one of the definitions is meant for; a definition without roles is meant for all.
CREATE FUNCTION attune_unified_roles(definitions jsonb[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN bool_and(coalesce(jsonb_typeof(d -> 'roles') = 'array', false))
        THEN jsonb_build_object('roles', (
            SELECT jsonb_agg(DISTINCT role) FROM unnest(definitions) AS e, jsonb_array_elements(attune_jsonb_array(e -> 'roles')) AS role))
        ELSE '{}'::jsonb END
    FROM unnest(definitions) AS d
$$;
