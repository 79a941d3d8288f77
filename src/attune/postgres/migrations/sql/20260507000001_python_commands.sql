-- Commands of core.python that are as they were shipped also find a Python that has only a name with its version.
UPDATE runtime SET distributions = jsonb_set(distributions, '{verification,commands}', (
        SELECT jsonb_agg(jsonb_build_object('binary', command, 'args', jsonb_build_array('--version'), 'exit_code', 0,
            'pattern', '(?m)^(?:Python|GraalPy(?:thon)?) 3\.', 'priority', place) ORDER BY place)
        FROM unnest(ARRAY['python3', 'python', 
            'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.9', 'python3.8']) WITH ORDINALITY AS listed (command, place)
    ))
WHERE ref = 'core.python' AND distributions #> '{verification,commands}' = (
        SELECT jsonb_agg(jsonb_build_object('binary', command, 'args', jsonb_build_array('--version'), 'exit_code', 0,
            'pattern', 'Python 3\.', 'priority', place) ORDER BY place)
        FROM unnest(ARRAY['python3', 'python']) WITH ORDINALITY AS listed (command, place)
    );
