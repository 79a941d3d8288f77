-- Of what sensors print, a node tells only what its own journals hold.
CREATE FUNCTION keeps_journal(kept_by text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT may_decide() OR EXISTS (
        SELECT FROM worker AS w WHERE w.name = kept_by AND w.worker_role = 'sensor' AND w.login = session_user)
$$;
ALTER POLICY attune_update ON sensor_journal USING (keeps_journal(worker_name));
ALTER POLICY attune_delete ON sensor_journal USING (keeps_journal(worker_name));

-- Times that nodes write are the database's: one that is still to come, or none, would be believed for ever.
CREATE FUNCTION refuse_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'expected the time of now in a row of %, got one that is still to come, or no time', TG_TABLE_NAME
        USING ERRCODE = 'check_violation';
END;
$$;
DO $times$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('worker', 'last_heartbeat', '1 minute'), ('worker_runtime', 'checked_at', '1 minute'),
        ('worker_runtime', 'since', '1 minute'), ('runtime_transition', 'at', '1 minute'),
        ('execution', 'finished_at', '1 minute'), ('execution', 'not_before', '100 years'),
        ('node_request', 'answered_at', '1 minute'), ('sensor_lease', 'renewed_at', '1 minute'),
        ('sensor_lease', 'since', '1 minute'), ('sensor_lease', 'expires_at', '1 hour'),
        ('sensor_position', 'updated', '1 minute')
    ) AS t (relation, name, ahead)
    LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE OF %I ON %I FOR EACH ROW'
            ' WHEN (NOT isfinite(NEW.%I) OR NEW.%I > now() + interval %L) EXECUTE FUNCTION refuse_time()',
            'refuse_' || one.name, one.name, one.relation, one.name, one.name, one.ahead);
    END LOOP;
END;
$times$;

-- Who begins work locks this table together with others, who pauses it alone. Nobody has a right to it: an advisory
-- lock is anybody's.
CREATE TABLE start_gate ();
DO $gate$
BEGIN
    EXECUTE replace(pg_get_functiondef('begin_executions'::regproc),
        'PERFORM pg_advisory_xact_lock_shared(hashtext(''attune pause''))', 'LOCK TABLE start_gate IN ROW SHARE MODE');
END;
$gate$;
CREATE FUNCTION close_start_gate() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    LOCK TABLE start_gate IN EXCLUSIVE MODE;
END;
$$;
