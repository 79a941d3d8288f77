-- Every reader judges by its age how a node stands, so nobody has to be alive for a dead one to be seen. The limits are
-- those by which nodes were marked last.
ALTER TABLE fleet_watch
    ADD COLUMN stale_after float8 NOT NULL DEFAULT 30,
    ADD COLUMN lost_after float8 NOT NULL DEFAULT 60;

CREATE OR REPLACE VIEW node AS
SELECT w.id, w.name, CASE w.worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END AS role, w.host,
       judged.status,
       judged.status NOT IN ('inactive', 'lost') AS is_live,
       judged.status IN ('active', 'busy') AS takes_work,
       judged.status IN ('active', 'busy', 'draining', 'degraded') AS answers,
       CASE jsonb_typeof(w.capabilities) WHEN 'object' THEN w.capabilities ELSE '{}' END AS capabilities,
       w.last_heartbeat, extract(epoch FROM now() - w.last_heartbeat)::float8 AS heartbeat_age,
       CASE WHEN w.meta->>'pid' ~ '^[0-9]{1,9}$' THEN (w.meta->>'pid')::int END AS pid, w.generation, w.problem
FROM worker AS w LEFT JOIN fleet_watch AS rule ON true CROSS JOIN LATERAL (
    SELECT CASE
        WHEN w.status IS NULL OR w.status::text IN ('inactive', 'error') THEN coalesce(w.status::text, 'inactive')
        WHEN w.last_heartbeat < now() - rule.lost_after * interval '1 second' THEN 'lost'
        WHEN w.status::text <> 'lost' AND w.last_heartbeat < now() - rule.stale_after * interval '1 second' THEN 'stale'
        ELSE w.status::text END AS status) AS judged;
