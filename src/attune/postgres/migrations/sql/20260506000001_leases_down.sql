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
CREATE FUNCTION take_leases(wanted jsonb, node_id bigint, seconds float8)
RETURNS TABLE (sensor bigint, epoch bigint, output_log uuid) LANGUAGE sql SECURITY DEFINER AS $$
    WITH asked AS (
        SELECT w.sensor, w.dead FROM jsonb_to_recordset(wanted) AS w (sensor bigint, dead bigint)
        JOIN sensor AS s ON s.id = w.sensor AND s.enabled WHERE owns(node_id) ORDER BY w.sensor
    ), taken AS (
        INSERT INTO sensor_lease AS l (sensor, worker, expires_at)
        SELECT a.sensor, node_id, now() + least(seconds, 3600) * interval '1 second' FROM asked AS a
        ON CONFLICT (sensor) DO UPDATE SET
            worker = excluded.worker, epoch = l.epoch + 1, taken_at = now(), renewed_at = now(),
            expires_at = excluded.expires_at, state = 'starting', reason = '', since = now(), restarts = 0,
            bad_lines = 0, pid = NULL
        WHERE l.expires_at <= now()
           OR (l.worker = excluded.worker AND l.epoch = (SELECT a.dead FROM asked AS a WHERE a.sensor = l.sensor))
        RETURNING l.sensor, l.epoch
    )
    INSERT INTO sensor_journal AS j (sensor, epoch, worker_name)
    SELECT t.sensor, t.epoch, (SELECT w.name FROM worker AS w WHERE w.id = node_id) FROM taken AS t
    RETURNING j.sensor, j.epoch, j.id
$$;
DROP FUNCTION begin_executions;
CREATE FUNCTION begin_executions(given jsonb, node_id bigint, now_running integer) RETURNS SETOF execution
LANGUAGE sql SECURITY DEFINER AS $$
    WITH wanted AS MATERIALIZED (
        SELECT g.job, g.execution, g.interpreter, w.name
        FROM jsonb_to_recordset(given) AS g (job bigint, execution bigint, interpreter jsonb)
        JOIN worker AS w ON w.id = node_id JOIN execution AS x ON x.id = g.execution AND x.job = g.job
        WHERE owns(node_id) AND reads_queue(x.queue)
    ), started AS (
        UPDATE execution AS e SET status = 'running', attempt = e.attempt + 1, worker = node_id, worker_name = g.name,
            started_at = now(), finished_at = NULL, interpreter = g.interpreter, job = NULL, reason = NULL,
            exit_code = NULL
        FROM wanted AS g WHERE e.id = g.execution AND e.job = g.job AND e.status = 'scheduled'
        RETURNING e.*
    ), gone AS (
        DELETE FROM procrastinate_jobs WHERE id IN (
            SELECT j.id FROM jsonb_to_recordset(given) AS g (job bigint) JOIN procrastinate_jobs AS j ON j.id = g.job
            WHERE owns(node_id) AND reads_queue(j.queue_name)
              AND (j.status = 'doing' OR j.id IN (SELECT w.job FROM wanted AS w)))
    ), place AS (
        UPDATE worker_load SET running = now_running
        WHERE worker = node_id AND running <> now_running AND owns(node_id)
    )
    SELECT * FROM started
$$;
DROP FUNCTION resume_attempts;
CREATE OR REPLACE FUNCTION sweep_lost() RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    WITH lost AS (
        SELECT e.id, e.attempt, coalesce(w.name, e.worker_name, 'that is gone') AS name,
               CASE WHEN e.status = 'canceling' THEN 'cancelled' WHEN e.losses >= 5 THEN 'abandoned'
                   WHEN e.on_lost = 'retry' THEN 'scheduling' ELSE 'abandoned' END AS judged
        FROM execution AS e LEFT JOIN worker AS w ON w.id = e.worker
        WHERE e.status IN ('running', 'canceling') AND e.policy IS NOT NULL AND (
            w.id IS NULL OR coalesce(w.status::text, 'inactive') IN ('lost', 'inactive', 'error')
            OR (w.status::text = 'stale' AND NOT EXISTS (SELECT FROM connected_node AS c WHERE c.id = w.id)))
        LIMIT 1000
    ), settled AS (
        UPDATE execution AS e SET status = l.judged::execution_status_enum,
            reason = left('worker ' || l.name || ' was lost while it ran'
                || CASE WHEN e.status <> 'canceling' AND e.losses >= 5
                    THEN ', as ' || e.losses || ' workers before' ELSE '' END, 4000),
            result = NULL, exit_code = NULL, dropped_bytes = 0, losses = e.losses + 1,
            not_before = CASE l.judged WHEN 'scheduling' THEN now() END,
            finished_at = CASE l.judged WHEN 'scheduling' THEN NULL ELSE now() END
        FROM lost AS l
        WHERE e.id = l.id AND e.attempt = l.attempt AND e.status IN ('running', 'canceling')
        RETURNING e.id
    )
    SELECT count(*)::integer FROM settled
$$;
DROP FUNCTION mark_overdue;
CREATE FUNCTION mark_overdue(stale_after float8, lost_after float8, amnesty float8, look_every float8) RETURNS integer
LANGUAGE sql SECURITY DEFINER AS $$
    WITH turn AS (
        UPDATE fleet_watch AS f SET looked_at = now(),
            stale_after = CASE WHEN may_decide() THEN mark_overdue.stale_after ELSE f.stale_after END,
            lost_after = CASE WHEN may_decide() THEN mark_overdue.lost_after ELSE f.lost_after END
        WHERE f.only_row = (
            SELECT w.only_row FROM fleet_watch AS w
            WHERE w.looked_at < now() - greatest(mark_overdue.look_every, 0) * interval '1 second' FOR UPDATE SKIP LOCKED)
        RETURNING f.stale_after, f.lost_after,
            CASE WHEN may_decide() THEN mark_overdue.amnesty ELSE f.lost_after END AS amnesty
    ), overdue AS (
        SELECT w.id, CASE WHEN w.last_heartbeat < now() - turn.lost_after * interval '1 second'
                   THEN 'lost' ELSE 'stale' END AS judged
        FROM worker AS w CROSS JOIN turn
        WHERE pg_postmaster_start_time() < now() - turn.amnesty * interval '1 second'
          AND w.status::text IN ('active', 'busy', 'starting', 'draining', 'degraded', 'stale')
          AND w.last_heartbeat < now() - turn.stale_after * interval '1 second'
    ), marked AS (
        UPDATE worker AS w SET status = overdue.judged::worker_status_enum,
            meta = coalesce(w.meta, '{}') || jsonb_build_object('was', CASE WHEN w.status::text = 'stale'
                THEN coalesce(w.meta ->> 'was', 'active') ELSE w.status::text END)
        FROM overdue WHERE w.id = overdue.id AND w.status::text <> overdue.judged
        RETURNING w.id
    )
    SELECT count(*)::integer FROM marked
$$;
DROP FUNCTION claim_node;
DROP TRIGGER note_writing ON worker;
DROP FUNCTION note_writing;
ALTER TABLE execution DROP COLUMN lost_attempt;
ALTER TABLE fleet_watch DROP COLUMN watched_at;
ALTER TABLE worker DROP COLUMN writing_since, DROP COLUMN epoch, DROP COLUMN boot_id, DROP COLUMN instance_key;
