-- How long what has ended is kept, and its removal in small batches. Rows that were here before are as old as this step.
CREATE TABLE retention (
    kind text PRIMARY KEY,
    keep_seconds float8 NOT NULL CHECK (keep_seconds >= 0),
    since timestamptz NOT NULL,
    removed bigint NOT NULL DEFAULT 0
);
INSERT INTO retention (kind, keep_seconds, since)
SELECT r.kind, r.days * 86400,
    CASE WHEN EXISTS (SELECT FROM execution) OR EXISTS (SELECT FROM event) THEN now() ELSE '-infinity' END
FROM (VALUES ('executions', 30), ('output', 30), ('enforcements', 30), ('events', 30), ('transitions', 90), ('audit', 365),
    ('lost_nodes', 7), ('history', 0)) AS r (kind, days);
CREATE INDEX idx_execution_retry_of ON execution (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX idx_enforcement_created ON enforcement (created);
CREATE INDEX idx_execution_output_created ON execution_output USING brin (created) WITH (autosummarize = on);

-- The ids of at most *most* rows of the *kind* that ended before *before*, and that nothing refers to or waits for. Of
-- output it is the ids of their executions.
CREATE FUNCTION expired(kind text, before timestamptz, most bigint) RETURNS SETOF bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE kind
    WHEN 'executions' THEN RETURN QUERY
        SELECT e.id FROM execution AS e
        WHERE e.created < before AND coalesce(e.finished_at, e.updated) < before
          AND e.status::text IN ('completed', 'failed', 'cancelled', 'timeout', 'abandoned')
          AND NOT EXISTS (SELECT FROM execution AS c WHERE c.parent = e.id)
          AND NOT EXISTS (SELECT FROM execution AS r WHERE r.retry_of = e.id)
        ORDER BY e.created LIMIT most;
    WHEN 'output' THEN RETURN QUERY
        SELECT o.execution FROM execution_output AS o
        JOIN execution AS e ON e.id = o.execution AND coalesce(e.finished_at, e.updated) < before
         AND e.status::text IN ('completed', 'failed', 'cancelled', 'timeout', 'abandoned')
        WHERE o.created < before LIMIT most;
    WHEN 'enforcements' THEN RETURN QUERY
        SELECT e.id FROM enforcement AS e WHERE e.created < before AND e.status::text <> 'created'
          AND NOT EXISTS (SELECT FROM execution AS x WHERE x.enforcement = e.id)
        ORDER BY e.created LIMIT most;
    WHEN 'events' THEN RETURN QUERY
        SELECT e.id FROM event AS e WHERE e.created < before AND NOT coalesce(e.pending, false)
          AND NOT EXISTS (SELECT FROM enforcement AS x WHERE x.event = e.id)
        ORDER BY e.created LIMIT most;
    WHEN 'transitions' THEN RETURN QUERY  -- its ids follow its times: only the first rows are looked at
        SELECT f.id FROM (SELECT t.id, t.at FROM runtime_transition AS t ORDER BY t.id LIMIT most) AS f WHERE f.at < before;
    WHEN 'audit' THEN RETURN QUERY
        SELECT a.id FROM audit AS a WHERE a.at < before AND coalesce(a.last, a.at) < before ORDER BY a.at LIMIT most;
    WHEN 'lost_nodes' THEN RETURN QUERY
        SELECT w.id FROM worker AS w
        WHERE w.status::text IN ('inactive', 'lost', 'error') AND coalesce(w.last_heartbeat, w.updated) < before
          AND NOT EXISTS (SELECT FROM execution AS e WHERE e.worker = w.id AND e.policy IS NOT NULL
              AND e.status::text IN ('running', 'canceling'))
        LIMIT most;
    WHEN 'history' THEN RETURN QUERY
        SELECT f.id FROM (SELECT h.id, h.changed_at FROM runtime_history AS h ORDER BY h.id LIMIT most) AS f
        WHERE f.changed_at < before;
    END CASE;
END;
$$;

-- Removes at most *most* expired rows of the *kind*; how many, 0 while another does. Only an operator's session says how
-- long they are kept: that is remembered, and all others go by it.
CREATE FUNCTION remove_expired(kind text, most integer, keep_seconds float8 DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    own retention;
    relation text := CASE remove_expired.kind WHEN 'executions' THEN 'execution' WHEN 'output' THEN 'execution_output'
        WHEN 'enforcements' THEN 'enforcement' WHEN 'events' THEN 'event' WHEN 'transitions' THEN 'runtime_transition'
        WHEN 'lost_nodes' THEN 'worker' WHEN 'history' THEN 'runtime_history' WHEN 'audit' THEN 'audit' END;
    gone integer;
BEGIN
    IF remove_expired.keep_seconds IS NOT NULL AND may_decide() THEN
        UPDATE retention AS r SET keep_seconds = remove_expired.keep_seconds
        WHERE r.kind = remove_expired.kind AND r.keep_seconds <> remove_expired.keep_seconds;
    END IF;
    SELECT * INTO own FROM retention AS r WHERE r.kind = remove_expired.kind AND r.keep_seconds > 0
        AND now() - r.keep_seconds * interval '1 second' > r.since FOR UPDATE SKIP LOCKED;
    IF own.kind IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('DELETE FROM %I WHERE %I IN (SELECT expired($1, $2, $3))', relation,
        CASE own.kind WHEN 'output' THEN 'execution' ELSE 'id' END)
    USING own.kind, now() - own.keep_seconds * interval '1 second', least(greatest(most, 1), 5000);
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone > 0 THEN
        UPDATE retention AS r SET removed = r.removed + gone WHERE r.kind = own.kind;
    END IF;
    RETURN gone;
END;
$$;
