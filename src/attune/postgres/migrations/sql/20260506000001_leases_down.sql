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
CREATE OR REPLACE VIEW connected_node AS
SELECT n.id, n.name, n.role FROM node AS n JOIN worker AS w ON w.id = n.id
WHERE hashtextextended('attune ' || n.role || ' ' || n.name, 0) || ' ' || w.login = ANY (ARRAY(
    SELECT ((held.classid::bigint << 32) | held.objid::bigint) || ' ' || holder.usename
    FROM pg_locks AS held JOIN pg_stat_activity AS holder ON holder.pid = held.pid
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())))
OR hashtextextended('attune ' || n.role || ' ' || n.name, 0) = ANY (ARRAY(
    SELECT (held.classid::bigint << 32) | held.objid::bigint
    FROM pg_locks AS held JOIN pg_stat_activity AS holder ON holder.pid = held.pid
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND has_table_privilege(holder.usesysid, 'fleet_watch'::regclass, 'UPDATE')));
DROP FUNCTION take_leases;
DROP FUNCTION begin_executions;
DROP FUNCTION resume_attempts;
DROP FUNCTION mark_overdue;
DROP FUNCTION claim_node;
DROP TRIGGER note_writing ON worker;
DROP FUNCTION note_writing;
ALTER TABLE execution DROP COLUMN lost_attempt;
ALTER TABLE fleet_watch DROP COLUMN watched_at;
ALTER TABLE worker DROP COLUMN writing_since, DROP COLUMN epoch, DROP COLUMN boot_id, DROP COLUMN instance_key;
