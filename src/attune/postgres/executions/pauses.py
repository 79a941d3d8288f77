"""Pauses: in the row of an action, and of the whole fleet in `fleet_watch`. Who begins work looks at both."""

from attune.queue import jobs

# Who begins work holds the lock together with others, so nothing begins after this.
_LOCKED = "locked AS MATERIALIZED (SELECT close_start_gate())"
_CHANGE = """
    SET paused_at = CASE WHEN %(by)s::text IS NOT NULL THEN now() END, paused_by = %(by)s
    FROM locked WHERE (t.paused_at IS NULL) = (%(by)s::text IS NOT NULL)
"""
PAUSE_FLEET = f"WITH {_LOCKED} UPDATE fleet_watch AS t {_CHANGE} RETURNING t.paused_at"
PAUSE_ACTION = f"""
    WITH {_LOCKED}, changed AS (
        UPDATE action AS t {_CHANGE} AND t.ref = %(ref)s RETURNING t.id
    ), offered AS (
        SELECT e.id, e.job FROM execution AS e JOIN changed AS c ON c.id = e.action
        WHERE e.status = 'scheduled' AND e.policy IS NOT NULL FOR UPDATE OF e SKIP LOCKED
    ), gone AS (
        {jobs.remove("SELECT job FROM offered")}
    ), back AS (
        UPDATE execution AS e SET status = 'requested', job = NULL FROM offered AS o WHERE e.id = o.id
    )
    SELECT id FROM changed
"""
PAUSES = """
    SELECT NULL AS action_ref, paused_at AS since, paused_by AS by FROM fleet_watch WHERE paused_at IS NOT NULL
    UNION ALL
    SELECT ref, paused_at, paused_by FROM action WHERE paused_at IS NOT NULL ORDER BY action_ref NULLS FIRST
"""
