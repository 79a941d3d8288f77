-- Where an operator wants a sensor to run; whoever takes its lease has obeyed. And what it printed last on stderr.
ALTER TABLE sensor_lease
    ADD COLUMN wanted bigint REFERENCES worker (id) ON DELETE SET NULL,
    ADD COLUMN last_lines text NOT NULL DEFAULT '' CHECK (length(last_lines) <= 4096);
DO $take$
BEGIN
    EXECUTE replace(pg_get_functiondef('take_leases'::regproc), 'pid = NULL', 'pid = NULL, wanted = NULL, last_lines = ''''');
END;
$take$;

CREATE FUNCTION tell_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_notify('attune_sensing', 'moved');
    INSERT INTO audit (actor, client, method, path, detail)
    SELECT audit_actor(), host(inet_client_addr()), TG_OP, 'sensor ' || s.ref, jsonb_build_object('node', jsonb_build_array(
        (SELECT name FROM worker WHERE id = NEW.worker), (SELECT name FROM worker WHERE id = NEW.wanted)))
    FROM sensor AS s WHERE s.id = NEW.sensor;
    RETURN NULL;
END;
$$;
CREATE TRIGGER tell_move AFTER UPDATE OF wanted ON sensor_lease FOR EACH ROW WHEN (NEW.wanted IS NOT NULL)
    EXECUTE FUNCTION tell_move();
