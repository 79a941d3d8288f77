SET LOCAL check_function_bodies = off;
ALTER TABLE worker DROP COLUMN heard_at_uptime, ADD COLUMN writing_since timestamptz;
ALTER TABLE fleet_watch DROP COLUMN uptime, ADD COLUMN looked_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE OR REPLACE FUNCTION note_writing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' OR OLD.last_heartbeat IS NULL OR NEW.epoch <> OLD.epoch OR OLD.writing_since IS NULL
        OR OLD.last_heartbeat < now() - (SELECT f.stale_after FROM fleet_watch AS f) * interval '1 second' THEN
        NEW.writing_since := now();
    END IF;
    RETURN NEW;
END;
$$;
CREATE OR REPLACE FUNCTION mark_overdue(
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
SET LOCAL check_function_bodies = on;
