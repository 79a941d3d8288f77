-- Without priorities, limits and pauses. What was held back is offered.
SET LOCAL check_function_bodies = off;

DROP TRIGGER offer_next ON execution;
DROP FUNCTION offer_next;
DROP TRIGGER follow_action_priority ON action;
DROP FUNCTION follow_action_priority;

CREATE OR REPLACE FUNCTION is_live(wanted text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM worker_class AS c JOIN node AS n ON n.id = c.worker WHERE c.queue = wanted AND n.takes_work)
$$;

CREATE OR REPLACE FUNCTION offer_executions(picked bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION promote_executions(wanted text[], most integer) RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    SELECT offer_executions(array_agg(picked.id)) FROM (
        SELECT e.id FROM unnest(wanted) AS q (name) CROSS JOIN LATERAL (
            SELECT x.id FROM execution AS x WHERE x.status = 'requested' AND x.policy IS NOT NULL AND x.queue = q.name
            ORDER BY x.id LIMIT most FOR UPDATE SKIP LOCKED) AS e
        WHERE is_live(q.name) LIMIT most) AS picked
    HAVING count(*) > 0
$$;

CREATE OR REPLACE FUNCTION tidy_executions(most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
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

CREATE OR REPLACE FUNCTION take_jobs(wanted text[], most integer) RETURNS TABLE (id bigint, execution bigint, queue text)
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

CREATE OR REPLACE FUNCTION filled_queues(wanted text[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT q.name FROM unnest(wanted) AS q (name) WHERE EXISTS (
        SELECT FROM procrastinate_jobs AS j WHERE j.queue_name = q.name AND j.status = 'todo')
$$;

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

DROP FUNCTION resume_attempts;
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

DROP FUNCTION held_back;
DROP FUNCTION in_use;
DROP FUNCTION priority_of;
DROP INDEX idx_execution_in_use;
DROP INDEX idx_execution_waiting;
CREATE INDEX idx_execution_waiting ON execution (queue, id) WHERE status = 'requested' AND policy IS NOT NULL;
ALTER TABLE execution DROP COLUMN priority, DROP COLUMN given_priority;
ALTER TABLE fleet_watch DROP COLUMN paused_at, DROP COLUMN paused_by;
ALTER TABLE rule DROP COLUMN priority;
ALTER TABLE action DROP COLUMN priority, DROP COLUMN concurrency, DROP COLUMN paused_at, DROP COLUMN paused_by;
SET LOCAL check_function_bodies = on;
