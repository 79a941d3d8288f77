-- In which order executions start, how many of an action at once, and what keeps them from it: priorities with ageing,
-- limits, pauses and times. All of it is read when an execution is offered, and once more when it begins.

-- Bodies name enum values that may be as new as this very transaction; they are read when they are first called.
SET LOCAL check_function_bodies = off;

ALTER TABLE action
    ADD COLUMN priority smallint CONSTRAINT action_priority CHECK (priority BETWEEN 0 AND 9),
    ADD COLUMN concurrency integer CONSTRAINT action_concurrency CHECK (concurrency > 0),
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN paused_by text;
ALTER TABLE rule ADD COLUMN priority smallint CONSTRAINT rule_priority CHECK (priority BETWEEN 0 AND 9);
ALTER TABLE fleet_watch ADD COLUMN paused_at timestamptz, ADD COLUMN paused_by text;
-- `given_priority` is what was asked for; `priority` is that, else its action's.
ALTER TABLE execution
    ADD COLUMN priority smallint NOT NULL DEFAULT 5,
    ADD COLUMN given_priority smallint CONSTRAINT execution_priority CHECK (given_priority BETWEEN 0 AND 9);

DROP INDEX idx_execution_waiting;
CREATE INDEX idx_execution_waiting ON execution (queue, (coalesce(action, 0)), priority DESC, id)
    WHERE status = 'requested' AND policy IS NOT NULL;
CREATE INDEX idx_execution_in_use ON execution (action)
    WHERE status IN ('scheduled', 'running', 'canceling') AND policy IS NOT NULL;

-- What an execution has where nobody says another priority: people go before rules.
CREATE FUNCTION priority_of(given smallint, of_action smallint, by_rule boolean) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(given, of_action, CASE WHEN by_rule THEN 4 ELSE 5 END)::smallint
$$;
CREATE FUNCTION follow_action_priority() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE execution AS e SET priority = priority_of(NULL, NEW.priority, e.enforcement IS NOT NULL)
    WHERE e.action = NEW.id AND e.given_priority IS NULL AND e.status IN ('requested', 'scheduling', 'scheduled');
    UPDATE procrastinate_jobs AS j SET priority = e.priority FROM execution AS e
    WHERE e.action = NEW.id AND e.status = 'scheduled' AND j.id = e.job AND j.status = 'todo' AND j.priority < 10;
    RETURN NULL;
END;
$$;
CREATE TRIGGER follow_action_priority AFTER UPDATE OF priority ON action FOR EACH ROW
    WHEN (OLD.priority IS DISTINCT FROM NEW.priority) EXECUTE FUNCTION follow_action_priority();

-- How many executions of an action run, and with *offered* how many a worker may begin at any moment beside them.
CREATE FUNCTION in_use(wanted bigint, offered boolean) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM execution AS e
    WHERE e.action = wanted AND e.status IN ('scheduled', 'running', 'canceling') AND e.policy IS NOT NULL
      AND (offered OR e.status <> 'scheduled')
$$;
-- What keeps an execution that waits from being offered, whatever workers there are; NULL where nothing does.
CREATE FUNCTION held_back(e execution) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN f.paused_at IS NOT NULL THEN format('the fleet is paused since %s by %s',
            to_char(f.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), f.paused_by)
        WHEN a.paused_at IS NOT NULL THEN format('action %s is paused since %s by %s', a.ref,
            to_char(a.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), a.paused_by)
        WHEN e.status = 'scheduling' AND e.not_before > now() THEN format('it is to start at %s',
            to_char(e.not_before AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
        WHEN a.concurrency <= in_use(a.id, true) THEN format('action %s has a concurrency of %s, and as many run', a.ref,
            a.concurrency)
        END
    FROM fleet_watch AS f LEFT JOIN action AS a ON a.id = e.action
    WHERE e.status IN ('requested', 'scheduling') AND e.policy IS NOT NULL
$$;

-- A queue is live while a node that takes work reads it, and the fleet is not paused.
CREATE OR REPLACE FUNCTION is_live(wanted text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM worker_class AS c JOIN node AS n ON n.id = c.worker WHERE c.queue = wanted AND n.takes_work)
        AND NOT EXISTS (SELECT FROM fleet_watch AS f WHERE f.paused_at IS NOT NULL)
$$;
CREATE OR REPLACE FUNCTION offer_executions(picked bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    changed integer;
BEGIN
    WITH numbered AS (
        SELECT e.id, e.queue, e.priority, row_number() OVER (ORDER BY e.id) AS turn
        FROM execution AS e WHERE e.id = ANY (picked)
    ), jobs AS (
        SELECT j.job, j.turn FROM unnest(procrastinate_defer_jobs_v1((
            SELECT array_agg(ROW(queue, 'attune.execute', priority, NULL, NULL, jsonb_build_object('execution', id), NULL
                )::procrastinate_job_to_defer_v1 ORDER BY turn) FROM numbered))) WITH ORDINALITY AS j (job, turn)
    )
    UPDATE execution AS e SET status = 'scheduled', job = jobs.job, not_before = NULL
    FROM numbered JOIN jobs USING (turn) WHERE e.id = numbered.id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END;
$$;
-- Offers what waits in live queues: of each action no more than its limit leaves room for, and nothing of a paused one.
-- Actions, not executions, are walked through: what is held back costs nothing, however much of it there is.
CREATE OR REPLACE FUNCTION promote_executions(wanted text[], most integer) RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    WITH RECURSIVE waiting (queue, action) AS (
        SELECT q.name, (SELECT coalesce(x.action, 0) FROM execution AS x
            WHERE x.status = 'requested' AND x.policy IS NOT NULL AND x.queue = q.name
            ORDER BY coalesce(x.action, 0) LIMIT 1)
        FROM unnest(wanted) AS q (name)
        UNION ALL
        SELECT w.queue, (SELECT coalesce(x.action, 0) FROM execution AS x
            WHERE x.status = 'requested' AND x.policy IS NOT NULL AND x.queue = w.queue
              AND coalesce(x.action, 0) > w.action
            ORDER BY coalesce(x.action, 0) LIMIT 1)
        FROM waiting AS w WHERE w.action IS NOT NULL
    )
    SELECT offer_executions(array_agg(picked.id)) FROM (
        SELECT e.id FROM waiting AS w LEFT JOIN action AS a ON a.id = w.action CROSS JOIN LATERAL (
            SELECT x.id FROM execution AS x WHERE x.status = 'requested' AND x.policy IS NOT NULL AND x.queue = w.queue
              AND coalesce(x.action, 0) = w.action
            ORDER BY x.priority DESC, x.id
            LIMIT CASE WHEN a.concurrency IS NULL THEN most ELSE greatest(0, a.concurrency - in_use(a.id, true)) END
            FOR UPDATE SKIP LOCKED) AS e
        WHERE w.action IS NOT NULL AND a.paused_at IS NULL AND is_live(w.queue) LIMIT most) AS picked
    HAVING count(*) > 0
$$;
-- What has ended, or was given back, leaves room for the next of its action.
CREATE FUNCTION offer_next() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM action AS a WHERE a.id = NEW.action AND a.concurrency IS NOT NULL) THEN
        PERFORM promote_executions(ARRAY[NEW.queue], 100);
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER offer_next AFTER UPDATE OF status ON execution FOR EACH ROW
    WHEN (OLD.status IN ('running', 'canceling') AND NEW.status NOT IN ('running', 'canceling')
          AND NEW.action IS NOT NULL AND NEW.queue IS NOT NULL)
    EXECUTE FUNCTION offer_next();

-- Moves what is due, what nobody reads any more, what nobody can take any more and what has waited too long.
CREATE OR REPLACE FUNCTION tidy_executions(most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    due bigint[];
    limited text[];
    changed integer;
    total integer := 0;
BEGIN
    SELECT array_agg(d.id), count(*) INTO due, total FROM (
        SELECT id FROM execution WHERE status = 'scheduling' AND policy IS NOT NULL AND not_before <= now()
        ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED) AS d;
    IF due IS NOT NULL THEN
        WITH held AS (
            UPDATE execution AS e SET status = 'requested', not_before = NULL
            FROM execution AS x LEFT JOIN action AS a ON a.id = x.action
            WHERE x.id = ANY (due) AND e.id = x.id
              AND NOT (is_live(x.queue) AND a.concurrency IS NULL AND a.paused_at IS NULL)
            RETURNING e.queue, a.concurrency
        )
        SELECT array_agg(DISTINCT queue) INTO limited FROM held WHERE concurrency IS NOT NULL;
        SELECT array_agg(id) INTO due FROM execution WHERE id = ANY (due) AND status = 'scheduling';
        PERFORM offer_executions(due) WHERE due IS NOT NULL;
        PERFORM promote_executions(limited, most) WHERE limited IS NOT NULL;
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

    UPDATE execution AS e SET status = 'failed', finished_at = now(),
        reason = coalesce('it could not start before its deadline: ' || held_back(e),
            'no node could take it before its deadline; it needs ' || coalesce(requirement, 'nothing'))
    WHERE status = 'requested' AND policy IS NOT NULL AND deadline <= now();
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN total + changed;
END;
$$;

-- Jobs of the queues that the caller's nodes read, the highest priority first. Half of what is taken at once, or every
-- second time one, is the oldest instead, if it has been offered for half a minute: nothing waits for ever, and
-- nothing that is urgent waits for all that is old.
CREATE OR REPLACE FUNCTION take_jobs(wanted text[], most integer) RETURNS TABLE (id bigint, execution bigint, queue text)
LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE procrastinate_jobs AS j SET priority = 10 FROM (
        SELECT o.job FROM unnest(wanted) AS q (name) CROSS JOIN LATERAL (
            SELECT e.id, e.job, e.updated FROM execution AS e
            WHERE e.status = 'scheduled' AND e.policy IS NOT NULL AND e.queue = q.name
            ORDER BY e.id LIMIT (SELECT floor(most / 2.0 + random())::integer)) AS o
        WHERE o.updated < now() - interval '30 seconds' AND reads_queue(q.name)
        ORDER BY o.id LIMIT (SELECT floor(most / 2.0 + random())::integer)) AS aged
    WHERE j.id = aged.job AND j.status = 'todo' AND j.priority < 10;
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
-- Those with jobs, and of many those first that have what is to start first.
CREATE OR REPLACE FUNCTION filled_queues(wanted text[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER AS $$
    WITH found AS MATERIALIZED (
        SELECT q.name FROM unnest(wanted) AS q (name) WHERE EXISTS (
            SELECT FROM procrastinate_jobs AS j WHERE j.queue_name = q.name AND j.status = 'todo')
    ), ranked AS (
        SELECT f.name, t.priority, t.id, t.old FROM found AS f LEFT JOIN LATERAL (
            SELECT max(j.priority) AS priority, min(j.id) AS id, (
                SELECT e.updated < now() - interval '30 seconds' AND random() < 0.5 FROM execution AS e
                WHERE e.status = 'scheduled' AND e.policy IS NOT NULL AND e.queue = f.name ORDER BY e.id LIMIT 1) AS old
            FROM procrastinate_jobs AS j WHERE j.queue_name = f.name AND j.status = 'todo') AS t
            ON (SELECT count(*) FROM found) > 20
    )
    SELECT r.name FROM ranked AS r ORDER BY r.old IS TRUE DESC, r.priority DESC, r.id
$$;

-- Begins what taken jobs are for on a node of the caller's, under the lease *lease*. A job has done its part once its
-- execution is owned, or has to wait after all: what is paused, or over the limit of its action, is not begun.
DROP FUNCTION begin_executions;
CREATE FUNCTION begin_executions(given jsonb, node_id bigint, now_running integer, lease bigint DEFAULT NULL)
RETURNS SETOF execution LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
BEGIN
    -- Whoever pauses waits for those who begin. Of an action with a limit one begins after the other, and each of the
    -- following statements sees what the one before has begun.
    PERFORM pg_advisory_xact_lock_shared(hashtext('attune pause'));
    PERFORM FROM action AS a WHERE a.concurrency IS NOT NULL AND a.id IN (
        SELECT x.action FROM jsonb_to_recordset(given) AS g (execution bigint) JOIN execution AS x ON x.id = g.execution)
    ORDER BY a.id FOR NO KEY UPDATE;
    RETURN QUERY WITH holder AS MATERIALIZED (
        SELECT w.id, w.name FROM worker AS w
        WHERE w.id = node_id AND w.epoch = coalesce(lease, w.epoch) AND owns(node_id)
    ), wanted AS MATERIALIZED (
        SELECT g.job, g.execution, g.interpreter, w.name, f.paused_at IS NULL AND a.paused_at IS NULL AND (
            a.concurrency IS NULL OR in_use(a.id, false)
                + row_number() OVER (PARTITION BY x.action ORDER BY x.priority DESC, x.id) <= a.concurrency) AS may_start
        FROM jsonb_to_recordset(given) AS g (job bigint, execution bigint, interpreter jsonb)
        CROSS JOIN holder AS w JOIN execution AS x ON x.id = g.execution AND x.job = g.job
        LEFT JOIN fleet_watch AS f ON true LEFT JOIN action AS a ON a.id = x.action
        WHERE reads_queue(x.queue)
    ), started AS (
        UPDATE execution AS e SET status = 'running', attempt = e.attempt + 1, worker = node_id, worker_name = g.name,
            started_at = now(), finished_at = NULL, interpreter = g.interpreter, job = NULL, reason = NULL,
            exit_code = NULL
        FROM wanted AS g WHERE e.id = g.execution AND e.job = g.job AND e.status = 'scheduled' AND g.may_start
        RETURNING e.*
    ), held AS (
        UPDATE execution AS e SET status = 'requested', job = NULL
        FROM wanted AS g WHERE e.id = g.execution AND e.job = g.job AND e.status = 'scheduled' AND NOT g.may_start
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
    SELECT * FROM started;
END;
$$;

-- Gives a node of the caller's back the attempts that were taken from it as lost, where nobody has begun the next and
-- the limit of their action has room.
DROP FUNCTION resume_attempts;
CREATE FUNCTION resume_attempts(given jsonb) RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM action AS a WHERE a.concurrency IS NOT NULL AND a.id IN (
        SELECT x.action FROM jsonb_to_recordset(given) AS g (execution bigint) JOIN execution AS x ON x.id = g.execution)
    ORDER BY a.id FOR NO KEY UPDATE;
    RETURN QUERY WITH lost AS MATERIALIZED (
        SELECT e.id, e.job, e.action FROM jsonb_to_recordset(given) AS g (execution bigint, attempt integer)
        JOIN execution AS e ON e.id = g.execution AND e.attempt = g.attempt AND e.lost_attempt = g.attempt
        WHERE e.status IN ('requested', 'scheduling', 'scheduled') AND owns(e.worker)
        ORDER BY e.id FOR UPDATE OF e
    ), wanted AS MATERIALIZED (
        SELECT l.id, l.job, a.concurrency IS NULL OR in_use(a.id, false)
            + row_number() OVER (PARTITION BY l.action ORDER BY l.id) <= a.concurrency AS has_room
        FROM lost AS l LEFT JOIN action AS a ON a.id = l.action
    ), gone AS (DELETE FROM procrastinate_jobs WHERE id IN (SELECT w.job FROM wanted AS w WHERE w.has_room))
    UPDATE execution AS e SET status = 'running', job = NULL, not_before = NULL, reason = NULL, lost_attempt = NULL,
        losses = e.losses - 1
    FROM wanted AS w WHERE e.id = w.id AND w.has_room RETURNING e.id;
END;
$$;
SET LOCAL check_function_bodies = on;
