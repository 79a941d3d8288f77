-- A node takes work that prefers others only from queues whose oldest job they have left for so many seconds.
SET LOCAL check_function_bodies = off;
DROP FUNCTION take_jobs;
CREATE FUNCTION take_jobs(wanted text[], most integer, waits float8[] DEFAULT NULL)
RETURNS TABLE (id bigint, execution bigint, queue text) LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE procrastinate_jobs AS j SET priority = 10 FROM (
        SELECT o.job FROM unnest(wanted) AS q (name) CROSS JOIN LATERAL (
            SELECT e.id, e.job, e.updated FROM execution AS e
            WHERE e.status = 'scheduled' AND e.policy IS NOT NULL AND e.queue = q.name
            ORDER BY e.id LIMIT (SELECT floor(most / 2.0 + random())::integer)) AS o
        WHERE o.updated < now() - interval '30 seconds' AND reads_queue(q.name)
        ORDER BY o.id LIMIT (SELECT floor(most / 2.0 + random())::integer)) AS aged
    WHERE j.id = aged.job AND j.status = 'todo' AND j.priority < 10;
    WITH RECURSIVE permitted AS MATERIALIZED (
        SELECT array_agg(q.name::varchar) AS queues FROM unnest(wanted, waits) AS q (name, seconds)
        WHERE reads_queue(q.name) AND (coalesce(q.seconds, 0) <= 0 OR EXISTS (
            SELECT FROM execution AS e JOIN procrastinate_jobs AS j ON j.id = e.job AND j.status = 'todo'
            WHERE e.status = 'scheduled' AND e.policy IS NOT NULL AND e.queue = q.name
              AND e.updated <= clock_timestamp() - q.seconds * interval '1 second'))
    ), taken (turn, job) AS (
        SELECT 1, procrastinate_fetch_job_v2(p.queues, NULL) FROM permitted AS p WHERE p.queues IS NOT NULL
        UNION ALL
        SELECT turn + 1, procrastinate_fetch_job_v2((SELECT p.queues FROM permitted AS p), NULL)
        FROM taken WHERE (job).id IS NOT NULL AND turn < most
    )
    SELECT (job).id, ((job).args ->> 'execution')::bigint, (job).queue_name
    FROM taken WHERE (job).id IS NOT NULL ORDER BY turn
$$;
SET LOCAL check_function_bodies = on;
