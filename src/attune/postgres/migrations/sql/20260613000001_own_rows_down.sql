ALTER POLICY attune_update ON sensor_journal USING (runs_sensor(sensor));
ALTER POLICY attune_delete ON sensor_journal USING (runs_sensor(sensor));
DROP FUNCTION keeps_journal;
DROP FUNCTION refuse_time CASCADE;
DROP FUNCTION close_start_gate;
DO $gate$
BEGIN
    EXECUTE replace(pg_get_functiondef('begin_executions'::regproc),
        'LOCK TABLE start_gate IN ROW SHARE MODE', 'PERFORM pg_advisory_xact_lock_shared(hashtext(''attune pause''))');
END;
$gate$;
DROP TABLE start_gate;
