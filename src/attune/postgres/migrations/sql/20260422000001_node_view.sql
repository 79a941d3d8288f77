-- Nodes as every reader sees them: role and status in words, and what follows from the status, by the database's clock.
CREATE VIEW node AS
SELECT w.id, w.name, CASE w.worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END AS role, w.host,
       coalesce(w.status::text, 'inactive') AS status,
       -- It has neither left nor been lost. As text: values that an enum got in this very transaction cannot be used in it.
       coalesce(w.status::text NOT IN ('inactive', 'lost'), false) AS is_live,
       -- It takes work.
       coalesce(w.status::text IN ('active', 'busy'), false) AS takes_work,
       -- It answers requests.
       coalesce(w.status::text IN ('active', 'busy', 'draining'), false) AS answers,
       -- Its name is held: the lock goes with its connection, at once when its process dies.
       EXISTS (
           SELECT FROM pg_locks AS held
           WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
             AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND (held.classid::bigint << 32) | held.objid::bigint = hashtextextended(
                 'attune ' || CASE w.worker_role WHEN 'sensor' THEN 'sensor' ELSE 'worker' END || ' ' || w.name, 0)
       ) AS is_connected,
       CASE jsonb_typeof(w.capabilities) WHEN 'object' THEN w.capabilities ELSE '{}' END AS capabilities,
       w.last_heartbeat, extract(epoch FROM now() - w.last_heartbeat)::float8 AS heartbeat_age,
       CASE WHEN w.meta->>'pid' ~ '^[0-9]{1,9}$' THEN (w.meta->>'pid')::int END AS pid, w.generation
FROM worker AS w;

DO $rights$
DECLARE
    permitted text;
BEGIN
    FOR permitted IN SELECT rolname FROM pg_roles WHERE rolname IN ('attune_admin', 'attune_node') LOOP
        BEGIN
            EXECUTE format('GRANT SELECT ON node TO %I', permitted);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
