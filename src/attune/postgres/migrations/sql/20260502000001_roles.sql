-- What a node's login may do: it writes its own rows, and everything that decides about others is a function here that
-- takes no decision from its caller. Rights are in `rights.sql`.

-- Bodies name enum values that may be as new as this very transaction; they are read when they are first called.
SET LOCAL check_function_bodies = off;

ALTER TABLE worker ADD COLUMN login name NOT NULL DEFAULT session_user;
ALTER TABLE dead_letter ADD COLUMN login name NOT NULL DEFAULT session_user;
ALTER TABLE sensor_journal ADD COLUMN worker_name text;
UPDATE sensor_journal AS j SET worker_name = w.name
FROM sensor_lease AS l JOIN worker AS w ON w.id = l.worker WHERE l.sensor = j.sensor;
-- An event that a node brought, and whose rules nobody who may request executions has looked at yet.
ALTER TABLE event ADD COLUMN pending boolean NOT NULL DEFAULT false;
CREATE INDEX idx_event_pending ON event (id) WHERE pending;

-- Whether the session is one of the operator's: the owner's, or one of attune_admin. By its login, whatever role it has
-- taken on, and so the same within the functions below, which run with the owner's rights.
CREATE FUNCTION may_decide() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT has_table_privilege(session_user, 'fleet_watch'::regclass, 'UPDATE')
$$;
CREATE FUNCTION may_read_all() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT has_table_privilege(session_user, 'change'::regclass, 'SELECT')
$$;
CREATE FUNCTION owns(node_id bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT may_decide() OR EXISTS (SELECT FROM worker AS w WHERE w.id = node_id AND w.login = session_user)
$$;
CREATE FUNCTION reads_queue(wanted text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT may_decide() OR EXISTS (
        SELECT FROM worker_class AS c JOIN worker AS w ON w.id = c.worker WHERE c.queue = wanted AND w.login = session_user)
$$;
CREATE FUNCTION runs_sensor(wanted bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT may_decide() OR EXISTS (
        SELECT FROM sensor_journal AS j JOIN worker AS w ON w.name = j.worker_name AND w.worker_role = 'sensor'
        WHERE j.sensor = wanted AND w.login = session_user)
$$;

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

-- Jobs of the queues that the caller's nodes read. One call of the engine brings one job. NULL would be all queues.
CREATE FUNCTION take_jobs(wanted text[], most integer) RETURNS TABLE (id bigint, execution bigint, queue text)
LANGUAGE sql SECURITY DEFINER AS $$
    WITH RECURSIVE permitted AS MATERIALIZED (
        SELECT array_agg(q.name::varchar) AS queues FROM unnest(wanted) AS q (name) WHERE reads_queue(q.name)
    ), taken (turn, job) AS (
        SELECT 1, procrastinate_fetch_job_v2(p.queues, NULL) FROM permitted AS p WHERE p.queues IS NOT NULL
        UNION ALL
        SELECT turn + 1, procrastinate_fetch_job_v2((SELECT p.queues FROM permitted AS p), NULL)
        FROM taken WHERE (job).id IS NOT NULL AND turn < most
    )
    SELECT (job).id, ((job).args ->> 'execution')::bigint, (job).queue_name
    FROM taken WHERE (job).id IS NOT NULL ORDER BY turn
$$;
CREATE FUNCTION give_back_jobs(jobs bigint[]) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT count(procrastinate_retry_job_v2(j.id, NULL, NULL, NULL, NULL)::text) FROM procrastinate_jobs AS j
    WHERE j.id = ANY (jobs) AND j.status = 'doing' AND reads_queue(j.queue_name)
$$;
CREATE FUNCTION filled_queues(wanted text[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT q.name FROM unnest(wanted) AS q (name) WHERE EXISTS (
        SELECT FROM procrastinate_jobs AS j WHERE j.queue_name = q.name AND j.status = 'todo')
$$;

-- Begins what taken jobs are for on a node of the caller's. A job has done its part once its execution is owned.
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
-- Says of what waits, and was given back, why it still does.
CREATE FUNCTION note_execution(execution bigint, said text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE execution AS e SET reason = left(said, 4000)
    WHERE e.id = note_execution.execution AND e.status IN ('requested', 'scheduled') AND reads_queue(e.queue)
$$;

-- A queue is live while a node that takes work reads it.
CREATE FUNCTION is_live(wanted text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM worker_class AS c JOIN node AS n ON n.id = c.worker WHERE c.queue = wanted AND n.takes_work)
$$;
-- Offers executions: the job and the status that says so, in one statement.
CREATE FUNCTION offer_executions(picked bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    changed integer;
BEGIN
    WITH numbered AS (
        SELECT e.id, e.queue, row_number() OVER (ORDER BY e.id) AS turn FROM execution AS e WHERE e.id = ANY (picked)
    ), jobs AS (
        SELECT j.job, j.turn FROM unnest(procrastinate_defer_jobs_v1((
            SELECT array_agg(ROW(queue, 'attune.execute', 0, NULL, NULL, jsonb_build_object('execution', id), NULL
                )::procrastinate_job_to_defer_v1 ORDER BY turn) FROM numbered))) WITH ORDINALITY AS j (job, turn)
    )
    UPDATE execution AS e SET status = 'scheduled', job = jobs.job, not_before = NULL
    FROM numbered JOIN jobs USING (turn) WHERE e.id = numbered.id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END;
$$;
CREATE FUNCTION promote_executions(wanted text[], most integer) RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    SELECT offer_executions(array_agg(picked.id)) FROM (
        SELECT e.id FROM unnest(wanted) AS q (name) CROSS JOIN LATERAL (
            SELECT x.id FROM execution AS x WHERE x.status = 'requested' AND x.policy IS NOT NULL AND x.queue = q.name
            ORDER BY x.id LIMIT most FOR UPDATE SKIP LOCKED) AS e
        WHERE is_live(q.name) LIMIT most) AS picked
    HAVING count(*) > 0
$$;
-- Moves what is due, what nobody reads any more, what nobody can take any more and what has waited too long.
CREATE FUNCTION tidy_executions(most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    due bigint[];
    changed integer;
    total integer := 0;
BEGIN
    SELECT array_agg(d.id) INTO due FROM (
        SELECT id FROM execution WHERE status = 'scheduling' AND policy IS NOT NULL AND not_before <= now()
        ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED) AS d;
    IF due IS NOT NULL THEN
        UPDATE execution SET status = 'requested', not_before = NULL WHERE id = ANY (due) AND NOT is_live(queue);
        SELECT array_agg(id) INTO due FROM execution WHERE id = ANY (due) AND status = 'scheduling';
        total := CASE WHEN due IS NULL THEN 0 ELSE offer_executions(due) END;
    END IF;

    WITH dead AS (
        SELECT q.queue FROM (
            SELECT DISTINCT queue FROM execution WHERE status = 'scheduled' AND policy IS NOT NULL) AS q
        WHERE NOT is_live(q.queue)
    ), taken AS (
        SELECT e.id, e.job FROM execution AS e JOIN dead USING (queue)
        WHERE e.status = 'scheduled' AND e.policy IS NOT NULL FOR UPDATE OF e SKIP LOCKED
    ), gone AS (DELETE FROM procrastinate_jobs WHERE id IN (SELECT job FROM taken))
    UPDATE execution AS e SET status = 'requested', job = NULL FROM taken WHERE e.id = taken.id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;

    -- What was written a moment ago may have a job that this statement does not see yet.
    WITH adrift AS (
        SELECT e.id, e.job FROM execution AS e
        WHERE e.status = 'scheduled' AND e.policy IS NOT NULL AND e.updated < now() - interval '15 seconds'
          AND is_adrift(e.job)
        FOR UPDATE OF e SKIP LOCKED
    ), gone AS (DELETE FROM procrastinate_jobs WHERE id IN (SELECT job FROM adrift))
    UPDATE execution AS e SET status = 'requested', job = NULL FROM adrift WHERE e.id = adrift.id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;

    UPDATE execution SET status = 'failed', finished_at = now(),
        reason = 'no node could take it before its deadline; it needs ' || coalesce(requirement, 'nothing')
    WHERE status = 'requested' AND policy IS NOT NULL AND deadline <= now();
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN total + changed;
END;
$$;
-- Nobody can take the job any more: it is gone, or was taken some time ago and is not begun.
CREATE FUNCTION is_adrift(wanted bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM procrastinate_jobs AS j WHERE j.id = wanted AND (j.status = 'todo' OR EXISTS (
            SELECT FROM procrastinate_events AS v WHERE v.job_id = j.id AND v.type = 'started'
              AND v.at > now() - interval '15 seconds')))
$$;

-- Attempts whose node is gone are tried again or given up, as `after_loss` of `core/executions/execution.py` has it.
-- A node whose name nobody holds is gone: the lock goes with its connection, at once when the process dies.
CREATE FUNCTION sweep_lost() RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
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

-- Marks nodes by the age of their heartbeat; how many changed. Only an operator's session brings limits, and they are
-- kept; all others mark by what is kept. Of all who call, one looks.
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

-- Takes leases for a node of the caller's, where they have expired or its own process is dead. With each goes a journal.
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

-- An event of a node waits for somebody who may request executions.
CREATE FUNCTION announce_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('attune_request', '');
    RETURN NULL;
END;
$$;
CREATE TRIGGER announce_event AFTER INSERT ON event FOR EACH ROW WHEN (NEW.pending) EXECUTE FUNCTION announce_event();

DROP FUNCTION replay_dead_letter;
-- Stores what an execution printed or came to after all; why not. Events are replayed by the program. A letter counts
-- only where who wrote it ran the execution.
CREATE FUNCTION replay_dead_letter(kind text, body jsonb, writer name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    target bigint := body ->> 'execution';
    present integer := body ->> 'attempt';
BEGIN
    IF NOT has_table_privilege(writer, 'fleet_watch'::regclass, 'UPDATE') AND NOT EXISTS (
        SELECT FROM execution AS e JOIN worker AS w ON w.id = e.worker WHERE e.id = target AND w.login = writer) THEN
        RETURN 'its execution is gone, or was not run by ' || writer;
    END IF;
    IF kind = 'output' THEN
        INSERT INTO execution_output (execution, attempt, number, stream, text)
        SELECT id, attempt, (body ->> 'number')::integer, body ->> 'stream', body ->> 'text'
        FROM execution WHERE id = target AND attempt = present;
    ELSE
        UPDATE execution SET result = body -> 'result', reason = nullif(left(body ->> 'reason', 4000), '')
        WHERE id = target AND attempt = present AND finished_at IS NOT NULL;
    END IF;
    RETURN CASE WHEN NOT FOUND THEN 'its execution is gone, or was run again' END;
END;
$$;

-- Row-level security on what nodes write. Policies are for everybody; who may do what at all is a matter of rights.
DO $policies$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('worker', 'SELECT', 'true', NULL),
        ('worker', 'INSERT', NULL, 'login = session_user OR (SELECT may_decide())'),
        ('worker', 'UPDATE', 'login = session_user OR (SELECT may_decide())', NULL),
        ('worker', 'DELETE', '(SELECT may_decide())', NULL),
        ('worker_runtime', 'SELECT', 'true', NULL),
        ('worker_runtime', 'INSERT', NULL, 'owns(worker)'),
        ('worker_runtime', 'UPDATE', 'owns(worker)', NULL),
        ('worker_runtime', 'DELETE', 'owns(worker)', NULL),
        ('worker_capability', 'SELECT', 'true', NULL),
        ('worker_capability', 'INSERT', NULL, 'owns(worker)'),
        ('worker_capability', 'UPDATE', 'owns(worker)', NULL),
        ('worker_capability', 'DELETE', 'owns(worker)', NULL),
        ('worker_load', 'SELECT', 'true', NULL),
        ('worker_load', 'INSERT', NULL, 'owns(worker)'),
        ('worker_load', 'UPDATE', 'owns(worker)', NULL),
        ('worker_load', 'DELETE', 'owns(worker)', NULL),
        ('worker_class', 'SELECT', 'true', NULL),
        ('worker_class', 'INSERT', NULL, 'owns(worker)'),
        ('worker_class', 'DELETE', 'owns(worker)', NULL),
        ('runtime_transition', 'SELECT', 'true', NULL),
        ('runtime_transition', 'INSERT', NULL, 'owns(worker)'),
        ('runtime_transition', 'DELETE', '(SELECT may_decide())', NULL),
        ('node_request', 'SELECT', '(SELECT may_read_all()) OR owns(worker)', NULL),
        ('node_request', 'INSERT', NULL, '(SELECT may_decide())'),
        ('node_request', 'UPDATE', 'owns(worker) AND (answered_at IS NULL OR (SELECT may_decide()))', 'owns(worker)'),
        ('node_request', 'DELETE', '(SELECT may_decide())', NULL),
        ('execution', 'SELECT', '(SELECT may_read_all()) OR owns(worker)', NULL),
        ('execution', 'INSERT', NULL, '(SELECT may_decide())'),
        ('execution', 'UPDATE', '(SELECT may_decide()) OR (status IN (''running'', ''canceling'') AND owns(worker))',
            'owns(worker)'),
        ('execution_output', 'SELECT', 'EXISTS (SELECT FROM execution AS e WHERE e.id = execution)', NULL),
        ('execution_output', 'INSERT', NULL, '(SELECT may_decide()) OR EXISTS (SELECT FROM execution AS e
            WHERE e.id = execution AND e.attempt = execution_output.attempt AND e.status IN (''running'', ''canceling'')
              AND owns(e.worker))'),
        ('execution_output', 'DELETE', '(SELECT may_decide())', NULL),
        ('event', 'SELECT', '(SELECT may_read_all()) OR runs_sensor(source)', NULL),
        ('event', 'INSERT', NULL, '(SELECT may_decide()) OR (pending AND runs_sensor(source)
            AND trigger_ref = (SELECT s.trigger_ref FROM sensor AS s WHERE s.id = source))'),
        ('event', 'UPDATE', '(SELECT may_decide())', NULL),
        ('event', 'DELETE', '(SELECT may_decide())', NULL),
        ('dead_letter', 'SELECT', '(SELECT may_read_all())', NULL),
        ('dead_letter', 'INSERT', NULL, 'login = session_user'),
        ('dead_letter', 'UPDATE', '(SELECT may_decide())', NULL),
        ('dead_letter', 'DELETE', '(SELECT may_decide())', NULL),
        ('sensor_lease', 'SELECT', 'true', NULL),
        ('sensor_lease', 'UPDATE', 'owns(worker)', 'worker IS NULL OR owns(worker)'),
        ('sensor_lease', 'DELETE', '(SELECT may_decide())', NULL),
        ('sensor_journal', 'SELECT', 'true', NULL),
        ('sensor_journal', 'UPDATE', 'runs_sensor(sensor)', NULL),
        ('sensor_journal', 'DELETE', 'runs_sensor(sensor)', NULL),
        ('sensor_position', 'SELECT', '(SELECT may_read_all()) OR runs_sensor(sensor)', NULL),
        ('sensor_position', 'INSERT', NULL, 'runs_sensor(sensor)'),
        ('sensor_position', 'UPDATE', 'runs_sensor(sensor)', NULL),
        ('sensor_position', 'DELETE', '(SELECT may_decide())', NULL)
    ) AS p (relation, command, visible, written)
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one.relation);
        EXECUTE format('CREATE POLICY %I ON %I FOR %s %s %s', 'attune_' || lower(one.command), one.relation, one.command,
            'USING (' || one.visible || ')', 'WITH CHECK (' || one.written || ')');
    END LOOP;
END;
$policies$;
SET LOCAL check_function_bodies = on;
