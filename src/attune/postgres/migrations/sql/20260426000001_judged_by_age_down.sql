CREATE OR REPLACE VIEW node AS
SELECT w.id, w.name, CASE w.worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END AS role, w.host,
       coalesce(w.status::text, 'inactive') AS status,
       coalesce(w.status::text NOT IN ('inactive', 'lost'), false) AS is_live,
       coalesce(w.status::text IN ('active', 'busy'), false) AS takes_work,
       coalesce(w.status::text IN ('active', 'busy', 'draining', 'degraded'), false) AS answers,
       CASE jsonb_typeof(w.capabilities) WHEN 'object' THEN w.capabilities ELSE '{}' END AS capabilities,
       w.last_heartbeat, extract(epoch FROM now() - w.last_heartbeat)::float8 AS heartbeat_age,
       CASE WHEN w.meta->>'pid' ~ '^[0-9]{1,9}$' THEN (w.meta->>'pid')::int END AS pid, w.generation, w.problem
FROM worker AS w;
ALTER TABLE fleet_watch DROP COLUMN stale_after, DROP COLUMN lost_after;
