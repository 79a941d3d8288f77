-- More ways in which an action gets its parameters, and those of actions that came from an earlier installation.

ALTER TABLE action DROP CONSTRAINT action_parameter_delivery, ADD CONSTRAINT action_parameter_delivery
    CHECK (parameter_delivery IN ('stdin', 'env', 'args', 'dotenv', 'file', 'dotenv-file'));
DO $$
DECLARE
    disabled text[] := ARRAY(SELECT format('ALTER TABLE action %%s TRIGGER %I', tgname) FROM pg_trigger
        WHERE NOT tgisinternal AND tgenabled = 'O' AND tgrelid = 'action'::regclass);
    one text;
BEGIN
    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'DISABLE');
    END LOOP;
    UPDATE action AS a SET parameter_delivery = CASE WHEN e.form <> 'dotenv' THEN e.way WHEN e.way = 'file' THEN 'dotenv-file' ELSE 'dotenv' END
    FROM (SELECT id, to_jsonb(x) ->> 'earlier_parameter_delivery' AS way, coalesce(to_jsonb(x) ->> 'parameter_format', 'json') AS form
        FROM action AS x) AS e
    WHERE e.id = a.id AND a.parameter_delivery = 'stdin' AND e.way IN ('stdin', 'file') AND (e.way = 'file' OR e.form = 'dotenv');
    FOREACH one IN ARRAY disabled LOOP
        EXECUTE format(one, 'ENABLE');
    END LOOP;
END;
$$;
