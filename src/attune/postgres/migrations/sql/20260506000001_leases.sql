-- A node's name is a lease in its row: of the instance that claimed it last, numbered by `epoch`. Nothing that a
-- connection holds proves life, and only a node that has itself written without a gap judges others.

-- Bodies name enum values that may be as new as this very transaction; they are read when they are first called.
SET LOCAL check_function_bodies = off;

ALTER TABLE worker
    ADD COLUMN instance_key text,
    ADD COLUMN boot_id text,
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    -- Since when its heartbeats have come without a gap.
    ADD COLUMN writing_since timestamptz;
-- When a node last looked, whether or not it might judge.
ALTER TABLE fleet_watch ADD COLUMN watched_at timestamptz NOT NULL DEFAULT '-infinity';
-- The attempt that was given up because its node was lost, and that may still turn out to have gone on.
ALTER TABLE execution ADD COLUMN lost_attempt integer;

CREATE FUNCTION note_writing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.last_heartbeat IS NULL OR NEW.epoch <> OLD.epoch OR OLD.writing_since IS NULL
        OR OLD.last_heartbeat < now() - (SELECT f.stale_after FROM fleet_watch AS f) * interval '1 second' THEN
        NEW.writing_since := now();
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER note_writing BEFORE INSERT OR UPDATE OF last_heartbeat ON worker
    FOR EACH ROW EXECUTE FUNCTION note_writing();

-- As long as somebody watches, a node is lost once it was judged so, and until then stale; else by its age.
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
        WHEN w.last_heartbeat < now() - rule.lost_after * interval '1 second'
            AND rule.watched_at < now() - rule.lost_after * interval '1 second' THEN 'lost'
        WHEN w.status::text <> 'lost' AND w.last_heartbeat < now() - rule.stale_after * interval '1 second' THEN 'stale'
        ELSE w.status::text END AS status) AS judged;
DROP VIEW connected_node;

-- Claims a name for an instance: a newer start of the instance that has it takes it over, and so does anybody once its
-- node has left or is lost. Else `epoch` is NULL, and `holder` says who has it.
CREATE FUNCTION claim_node(wanted text, wanted_role text, place text, process integer, key text, boot text)
RETURNS TABLE (id bigint, epoch bigint, holder text, age float8, same_boot boolean)
LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    old record;
BEGIN
    RETURN QUERY INSERT INTO worker AS w (name, worker_type, worker_role, host, status, meta, last_heartbeat,
            instance_key, boot_id, epoch, login)
        VALUES (wanted, 'local', wanted_role::worker_role_enum, place, 'starting', jsonb_build_object('pid', process),
            now(), key, boot, 1, session_user)
        ON CONFLICT (name, worker_role) DO NOTHING RETURNING w.id, w.epoch, NULL::text, NULL::float8, NULL::boolean;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT w.id, w.login, w.instance_key, w.boot_id, n.status, n.heartbeat_age, n.pid, n.host INTO old
    FROM worker AS w JOIN node AS n ON n.id = w.id
    WHERE w.name = wanted AND w.worker_role = wanted_role::worker_role_enum FOR UPDATE OF w;
    IF old.status NOT IN ('inactive', 'lost', 'error') AND old.heartbeat_age IS NOT NULL
        AND (key = old.instance_key) IS NOT TRUE THEN
        RETURN QUERY SELECT old.id, NULL::bigint, 'pid ' || coalesce(old.pid::text, 'unknown') || ' on '
            || coalesce(old.host, 'an unknown host') || ', heard of ' || round(old.heartbeat_age::numeric, 1) || ' s ago',
            old.heartbeat_age, NULL::boolean;
        RETURN;
    END IF;
    IF old.login <> session_user AND NOT may_decide() THEN
        RAISE insufficient_privilege USING MESSAGE = format('the name is that of login %s', old.login);
    END IF;
    RETURN QUERY UPDATE worker AS w SET host = place, status = 'starting', last_heartbeat = now(), instance_key = key,
            boot_id = boot, epoch = w.epoch + 1, meta = coalesce(w.meta, '{}') || jsonb_build_object('pid', process)
        WHERE w.id = old.id
        RETURNING w.id, w.epoch, NULL::text,
            CASE WHEN old.status NOT IN ('inactive', 'error') THEN old.heartbeat_age END, old.boot_id = boot;
    PERFORM pg_notify('attune_node', old.id::text);
END;
$$;

-- Marks nodes by the age of their heartbeat; how many changed. Only an operator's session brings limits, and they are
-- kept; all others mark by what is kept. Only a judge whose own heartbeats have come without a gap for as long as a node
-- must be silent marks anybody: after an outage of the database everybody was silent. Of those, one looks.
DROP FUNCTION mark_overdue;
CREATE FUNCTION mark_overdue(
    stale_after float8, lost_after float8, amnesty float8, look_every float8, judge bigint DEFAULT NULL)
RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    WITH limits AS (
        SELECT f.only_row, l.*, EXISTS (
            SELECT FROM worker AS j WHERE j.id = judge AND owns(judge)
              AND j.writing_since <= now() - l.lost_after * interval '1 second'
              AND j.last_heartbeat >= now() - l.stale_after * interval '1 second') AS may_judge
        FROM fleet_watch AS f CROSS JOIN LATERAL (SELECT
            CASE WHEN may_decide() THEN mark_overdue.stale_after ELSE f.stale_after END AS stale_after,
            CASE WHEN may_decide() THEN mark_overdue.lost_after ELSE f.lost_after END AS lost_after) AS l
        WHERE least(f.looked_at, f.watched_at)
            < now() - greatest(mark_overdue.look_every, 0) * interval '1 second'
    ), turn AS (
        UPDATE fleet_watch AS f SET watched_at = now(), stale_after = l.stale_after, lost_after = l.lost_after,
            looked_at = CASE WHEN l.may_judge THEN now() ELSE f.looked_at END
        FROM limits AS l
        WHERE f.only_row = (
            SELECT w.only_row FROM fleet_watch AS w
            WHERE CASE WHEN l.may_judge THEN w.looked_at ELSE w.watched_at END
                < now() - greatest(mark_overdue.look_every, 0) * interval '1 second' FOR UPDATE SKIP LOCKED)
        RETURNING f.stale_after, f.lost_after, l.may_judge
            AND pg_postmaster_start_time() < now() - CASE WHEN may_decide() THEN mark_overdue.amnesty ELSE f.lost_after END
                * interval '1 second' AS may_judge
    ), overdue AS (
        SELECT w.id, CASE WHEN w.last_heartbeat < now() - turn.lost_after * interval '1 second'
                   THEN 'lost' ELSE 'stale' END AS judged
        FROM worker AS w JOIN turn ON turn.may_judge
        WHERE w.status::text IN ('active', 'busy', 'starting', 'draining', 'degraded', 'stale')
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

-- Attempts whose node is gone are tried again or given up, as `after_loss` of `core/executions/execution.py` has it.
CREATE OR REPLACE FUNCTION sweep_lost() RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    WITH lost AS (
        SELECT e.id, e.attempt, coalesce(w.name, e.worker_name, 'that is gone') AS name,
               CASE WHEN e.status = 'canceling' THEN 'cancelled' WHEN e.losses >= 5 THEN 'abandoned'
                   WHEN e.on_lost = 'retry' THEN 'scheduling' ELSE 'abandoned' END AS judged
        FROM execution AS e LEFT JOIN worker AS w ON w.id = e.worker
        WHERE e.status IN ('running', 'canceling') AND e.policy IS NOT NULL AND (
            w.id IS NULL OR coalesce(w.status::text, 'inactive') IN ('lost', 'inactive', 'error'))
        LIMIT 1000
    ), settled AS (
        UPDATE execution AS e SET status = l.judged::execution_status_enum, lost_attempt = e.attempt,
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

-- Gives a node of the caller's back the attempts that were taken from it as lost, where nobody has begun the next.
CREATE FUNCTION resume_attempts(given jsonb) RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER AS $$
    WITH wanted AS MATERIALIZED (
        SELECT e.id, e.job FROM jsonb_to_recordset(given) AS g (execution bigint, attempt integer)
        JOIN execution AS e ON e.id = g.execution AND e.attempt = g.attempt AND e.lost_attempt = g.attempt
        WHERE e.status IN ('requested', 'scheduling', 'scheduled') AND owns(e.worker)
        ORDER BY e.id FOR UPDATE OF e
    ), gone AS (DELETE FROM procrastinate_jobs WHERE id IN (SELECT w.job FROM wanted AS w))
    UPDATE execution AS e SET status = 'running', job = NULL, not_before = NULL, reason = NULL, lost_attempt = NULL,
        losses = e.losses - 1
    FROM wanted AS w WHERE e.id = w.id RETURNING e.id
$$;

-- Begins what taken jobs are for on a node of the caller's, under the lease *lease*. A job has done its part once its
-- execution is owned.
DROP FUNCTION begin_executions;
CREATE FUNCTION begin_executions(given jsonb, node_id bigint, now_running integer, lease bigint DEFAULT NULL)
RETURNS SETOF execution LANGUAGE sql SECURITY DEFINER AS $$
    WITH holder AS MATERIALIZED (
        SELECT w.id, w.name FROM worker AS w
        WHERE w.id = node_id AND w.epoch = coalesce(lease, w.epoch) AND owns(node_id)
    ), wanted AS MATERIALIZED (
        SELECT g.job, g.execution, g.interpreter, w.name
        FROM jsonb_to_recordset(given) AS g (job bigint, execution bigint, interpreter jsonb)
        CROSS JOIN holder AS w JOIN execution AS x ON x.id = g.execution AND x.job = g.job
        WHERE reads_queue(x.queue)
    ), started AS (
        UPDATE execution AS e SET status = 'running', attempt = e.attempt + 1, worker = node_id, worker_name = g.name,
            started_at = now(), finished_at = NULL, interpreter = g.interpreter, job = NULL, reason = NULL,
            exit_code = NULL
        FROM wanted AS g WHERE e.id = g.execution AND e.job = g.job AND e.status = 'scheduled'
        RETURNING e.*
    ), gone AS (
        DELETE FROM procrastinate_jobs WHERE id IN (
            SELECT j.id FROM holder, jsonb_to_recordset(given) AS g (job bigint)
            JOIN procrastinate_jobs AS j ON j.id = g.job
            WHERE reads_queue(j.queue_name)
              AND (j.status = 'doing' OR j.id IN (SELECT w.job FROM wanted AS w)))
    ), place AS (
        UPDATE worker_load SET running = now_running
        WHERE worker = (SELECT h.id FROM holder AS h) AND running <> now_running
    )
    SELECT * FROM started
$$;

-- Takes sensors for a node of the caller's, under its own lease *lease*, as before.
DROP FUNCTION take_leases;
CREATE FUNCTION take_leases(wanted jsonb, node_id bigint, seconds float8, lease bigint DEFAULT NULL)
RETURNS TABLE (sensor bigint, epoch bigint, output_log uuid) LANGUAGE sql SECURITY DEFINER AS $$
    WITH asked AS (
        SELECT w.sensor, w.dead FROM jsonb_to_recordset(wanted) AS w (sensor bigint, dead bigint)
        JOIN sensor AS s ON s.id = w.sensor AND s.enabled
        WHERE owns(node_id) AND EXISTS (SELECT FROM worker AS n WHERE n.id = node_id AND n.epoch = coalesce(lease, n.epoch))
        ORDER BY w.sensor
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
SET LOCAL check_function_bodies = on;
