-- A node is lost once it alone was not heard of for `lost_after`. What counts is the uptime of the database as heartbeats
-- prove it: while none was accepted it stands still, but for a little, so that a busy machine whose heartbeats are always
-- late does judge in the end.
SET LOCAL check_function_bodies = off;
ALTER TABLE worker DROP COLUMN writing_since, ADD COLUMN heard_at_uptime float8 NOT NULL DEFAULT 0;
ALTER TABLE fleet_watch DROP COLUMN looked_at, ADD COLUMN uptime float8 NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION note_writing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.last_heartbeat IS NULL OR NEW.last_heartbeat > OLD.last_heartbeat THEN
        NEW.heard_at_uptime := coalesce((SELECT f.uptime FROM fleet_watch AS f), 0);
    END IF;
    RETURN NEW;
END;
$$;

-- Marks nodes by their silence; how many changed. Only a node that is itself heard of does, one of all in *look_every*
-- seconds. Only an operator's session brings limits, and they are kept; all others mark by what is kept.
CREATE OR REPLACE FUNCTION mark_overdue(
    stale_after float8, lost_after float8, amnesty float8, look_every float8, judge bigint DEFAULT NULL)
RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    WITH turn AS (
        UPDATE fleet_watch AS f SET watched_at = now(), stale_after = l.stale_after, lost_after = l.lost_after,
            uptime = f.uptime + CASE WHEN f.watched_at BETWEEN now() - l.stale_after * interval '1 second' AND now()
                THEN extract(epoch FROM now() - f.watched_at)::float8 ELSE l.lost_after / 10 END
        FROM (
            SELECT w.only_row, CASE WHEN may_decide() THEN mark_overdue.stale_after ELSE w.stale_after END AS stale_after,
                CASE WHEN may_decide() THEN mark_overdue.lost_after ELSE w.lost_after END AS lost_after
            FROM fleet_watch AS w
            WHERE NOT w.watched_at BETWEEN now() - greatest(mark_overdue.look_every, 0) * interval '1 second' AND now()
              AND EXISTS (SELECT FROM worker AS j WHERE j.id = judge AND owns(judge)
                  AND j.last_heartbeat >= now() - w.stale_after * interval '1 second')
            FOR UPDATE OF w SKIP LOCKED) AS l
        WHERE f.only_row = l.only_row
        RETURNING f.stale_after, f.lost_after, f.uptime,
            pg_postmaster_start_time() < now() - CASE WHEN may_decide() THEN mark_overdue.amnesty ELSE f.lost_after END
                * interval '1 second' AS may_judge
    ), overdue AS (
        SELECT w.id, CASE WHEN w.last_heartbeat < now() - turn.lost_after * interval '1 second'
                       AND w.heard_at_uptime <= turn.uptime - turn.lost_after THEN 'lost' ELSE 'stale' END AS judged
        FROM worker AS w JOIN turn ON turn.may_judge
        WHERE w.status::text IN ('active', 'busy', 'starting', 'draining', 'degraded', 'stale')
          AND w.last_heartbeat < now() - turn.stale_after * interval '1 second'
          AND w.heard_at_uptime <= turn.uptime - turn.stale_after
    ), marked AS (
        UPDATE worker AS w SET status = overdue.judged::worker_status_enum,
            meta = coalesce(w.meta, '{}') || jsonb_build_object('was', CASE WHEN w.status::text = 'stale'
                THEN coalesce(w.meta ->> 'was', 'active') ELSE w.status::text END)
        FROM overdue WHERE w.id = overdue.id AND w.status::text <> overdue.judged
        RETURNING w.id
    )
    SELECT count(*)::integer FROM marked
$$;
SET LOCAL check_function_bodies = on;
