-- Rules that do not ask for the next execution while one of theirs has not ended, or before some time has passed.
ALTER TABLE rule
    ADD COLUMN overlap text NOT NULL DEFAULT 'queue' CONSTRAINT rule_overlap CHECK (overlap IN ('queue', 'skip')),
    ADD COLUMN at_most_every_seconds double precision CONSTRAINT rule_at_most_every CHECK (at_most_every_seconds > 0);

-- Why the rule of an enforcement asks for nothing at present; NULL where it does. The caller holds the row of the rule.
CREATE FUNCTION skipped_by_rule(wanted bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN r.overlap = 'skip' AND active.id IS NOT NULL THEN format('skipped: execution %s has not ended', active.id)
        WHEN last.age < r.at_most_every_seconds THEN format('skipped: it asked for an execution %s s ago, and does so at '
            'most every %s s', round(last.age::numeric, 1), r.at_most_every_seconds)
        END
    FROM enforcement AS f JOIN rule AS r ON r.id = f.rule
    LEFT JOIN LATERAL (
        SELECT e.id FROM execution AS e JOIN enforcement AS o ON o.id = e.enforcement
        WHERE r.overlap = 'skip' AND o.rule = r.id AND e.policy IS NOT NULL
          AND e.status IN ('requested', 'scheduling', 'scheduled', 'running', 'canceling')
        LIMIT 1) AS active ON true
    LEFT JOIN LATERAL (
        SELECT extract(epoch FROM now() - max(o.created))::float8 AS age FROM enforcement AS o
        WHERE o.rule = r.id AND o.id <> f.id AND o.status = 'processed'
          AND o.created > now() - r.at_most_every_seconds * interval '1 second') AS last ON true
    WHERE f.id = wanted
$$;
