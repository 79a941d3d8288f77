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
       CASE jsonb_typeof(w.capabilities) WHEN 'object' THEN w.capabilities ELSE '{}' END AS capabilities,
       w.last_heartbeat, extract(epoch FROM now() - w.last_heartbeat)::float8 AS heartbeat_age,
       CASE WHEN w.meta->>'pid' ~ '^[0-9]{1,9}$' THEN (w.meta->>'pid')::int END AS pid, w.generation
FROM worker AS w;

-- Nodes whose name is held: the lock goes with its connection, at once when their process dies. A view of its own, as
-- reading locks is volatile; an array, as the planner takes the locks for few and would go through all nodes for each.
CREATE VIEW connected_node AS
SELECT n.id, n.name, n.role FROM node AS n
WHERE hashtextextended('attune ' || n.role || ' ' || n.name, 0) = ANY (ARRAY(
    SELECT (held.classid::bigint << 32) | held.objid::bigint FROM pg_locks AS held
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())));

DO $rights$
DECLARE
    permitted text;
BEGIN
    FOR permitted IN SELECT rolname FROM pg_roles WHERE rolname IN ('attune_admin', 'attune_node') LOOP
        BEGIN
            EXECUTE format('GRANT SELECT ON node, connected_node TO %I', permitted);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
