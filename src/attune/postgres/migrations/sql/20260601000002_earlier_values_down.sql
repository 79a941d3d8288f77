DO $undo$
DECLARE
    disabled text[] := ARRAY(SELECT format('ALTER TABLE %s %%s TRIGGER %I', t.tgrelid::regclass, t.tgname)
        FROM pg_trigger AS t WHERE NOT t.tgisinternal AND t.tgenabled = 'O'
          AND t.tgrelid IN ('runtime'::regclass, 'sensor'::regclass, 'worker'::regclass, 'execution'::regclass));
    one text;
BEGIN
    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'DISABLE');
    END LOOP;
    UPDATE runtime AS r SET distributions = o.old FROM migration_original AS o
    WHERE o.table_name = 'runtime' AND o.column_name = 'distributions' AND o.row_id = r.id AND o.new = r.distributions;
    UPDATE worker AS w SET status = (o.old ->> 'status')::worker_status_enum, meta = nullif(o.old -> 'meta', 'null')
    FROM migration_original AS o
    WHERE o.table_name = 'worker' AND o.column_name = 'cordoned' AND o.row_id = w.id AND w.status::text = 'draining';
    UPDATE execution AS e SET status = (o.old #>> '{}')::execution_status_enum, reason = NULL FROM migration_original AS o
    WHERE o.table_name = 'execution' AND o.column_name = 'status' AND o.row_id = e.id AND e.policy IS NULL;
    UPDATE sensor AS s SET config = nullif(o.old, 'null') FROM migration_original AS o
    WHERE o.table_name = 'sensor' AND o.column_name = 'config' AND o.row_id = s.id;
    DELETE FROM migration_original WHERE column_name IN ('left', 'distributions', 'cordoned', 'status', 'config');
    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'ENABLE');
    END LOOP;
END;
$undo$;
