DO $policies$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT tablename, policyname FROM pg_policies WHERE schemaname = current_schema() AND policyname LIKE 'attune\_%' LOOP
        EXECUTE format('DROP POLICY %I ON %I', one.policyname, one.tablename);
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', one.tablename);
    END LOOP;
END;
$policies$;
CREATE OR REPLACE VIEW connected_node AS
SELECT n.id, n.name, n.role FROM node AS n
WHERE hashtextextended('attune ' || n.role || ' ' || n.name, 0) = ANY (ARRAY(
    SELECT (held.classid::bigint << 32) | held.objid::bigint FROM pg_locks AS held
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())));
DROP TRIGGER announce_event ON event;
DROP FUNCTION announce_event;
DROP FUNCTION take_leases;
DROP FUNCTION mark_overdue;
DROP FUNCTION sweep_lost;
DROP FUNCTION tidy_executions;
DROP FUNCTION is_adrift;
DROP FUNCTION promote_executions;
DROP FUNCTION offer_executions;
DROP FUNCTION is_live;
DROP FUNCTION note_execution;
DROP FUNCTION begin_executions;
DROP FUNCTION filled_queues;
DROP FUNCTION give_back_jobs;
DROP FUNCTION take_jobs;
DROP FUNCTION runs_sensor;
DROP FUNCTION reads_queue;
DROP FUNCTION owns;
DROP FUNCTION may_read_all;
DROP FUNCTION may_decide;
DROP FUNCTION replay_dead_letter;
-- Events that nobody has looked at stay without consequences.
DROP INDEX idx_event_pending;
ALTER TABLE event DROP COLUMN pending;
ALTER TABLE sensor_journal DROP COLUMN worker_name;
ALTER TABLE dead_letter DROP COLUMN login;
ALTER TABLE worker DROP COLUMN login;
