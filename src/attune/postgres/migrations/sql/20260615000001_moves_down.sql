DROP TRIGGER tell_move ON sensor_lease;
DROP FUNCTION tell_move;
DO $take$
BEGIN
    EXECUTE replace(pg_get_functiondef('take_leases'::regproc), 'pid = NULL, wanted = NULL, last_lines = ''''', 'pid = NULL');
END;
$take$;
ALTER TABLE sensor_lease DROP COLUMN wanted, DROP COLUMN last_lines;
