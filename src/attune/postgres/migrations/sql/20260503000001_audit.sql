-- The audit holds what was asked of the API, with the token, and every change that operators made to a table, with the
-- login of the database: written by triggers, in the transaction of the change, whatever program made it.
ALTER TABLE audit
    ADD COLUMN session text,
    ADD COLUMN login name,
    ADD COLUMN program text,
    ADD COLUMN code text,
    ADD COLUMN count integer NOT NULL DEFAULT 1,
    ADD COLUMN last timestamptz,
    ALTER COLUMN status DROP NOT NULL;
ALTER TABLE runtime_history ADD COLUMN login name;
ALTER TABLE runtime_history ALTER COLUMN login SET DEFAULT session_user;

-- Whoever may insert does not say by which login.
CREATE FUNCTION stamp_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.login := session_user;
    NEW.program := current_setting('application_name');
    IF length(NEW.detail::text) > 4096 THEN
        NEW.detail := jsonb_build_object('cut', left(NEW.detail::text, 3800),
            'sha256', encode(sha256(convert_to(NEW.detail::text, 'UTF8')), 'hex'));
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER stamp_audit BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION stamp_audit();

-- Counts further refusals like that of a line, which is all that ever changes of one.
CREATE FUNCTION count_refusals(line bigint, times integer, waited float8) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE audit AS a SET count = a.count + times, last = now() - waited * interval '1 second'
    WHERE a.id = line AND a.status >= 400 AND a.login = session_user AND times > 0
$$;

-- Who changes something: what the program says, the name of a command's session, or the login.
CREATE FUNCTION audit_actor() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('attune.changed_by', true), ''),
        substring(current_setting('application_name') FROM '^attune (\S+@\S+)$'), session_user)
$$;

-- A row that changed: what it became, what it was, or both of each column that differs. The arguments of the trigger
-- are columns whose values are not told.
CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE jsonb_strip_nulls(to_jsonb(OLD)) END;
    became jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE jsonb_strip_nulls(to_jsonb(NEW)) END;
    known jsonb := was || became;
    told jsonb;
BEGIN
    SELECT jsonb_object_agg(key, CASE WHEN key = ANY (TG_ARGV) THEN '"***"'
        WHEN TG_OP = 'UPDATE' THEN jsonb_build_array(was -> key, became -> key) ELSE known -> key END)
    INTO told FROM jsonb_object_keys(known) AS key
    WHERE key NOT IN ('created', 'updated', 'last_heartbeat') AND was -> key IS DISTINCT FROM became -> key;
    IF told IS NOT NULL THEN
        INSERT INTO audit (actor, client, method, path, detail) VALUES (
            coalesce(became ->> 'changed_by', CASE TG_OP WHEN 'INSERT' THEN became ->> 'created_by' END, audit_actor()),
            host(inet_client_addr()), TG_OP, concat_ws(' ', TG_TABLE_NAME,
                coalesce(known ->> 'ref', known ->> 'name', known ->> 'token', known ->> 'id')), told);
    END IF;
    RETURN NULL;
END;
$$;

-- What one statement asked of nodes, first the commands that they were to run, or which work it asked for.
CREATE FUNCTION audit_requests() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_TABLE_NAME = 'execution' THEN
        INSERT INTO audit (actor, client, method, path, detail, count)
        SELECT audit_actor(), host(inet_client_addr()), TG_OP, 'execution ' || a.action_ref,
            jsonb_build_object('first', min(a.id), 'last', max(a.id)), count(*)
        FROM asked AS a WHERE a.enforcement IS NULL AND a.parent IS NULL GROUP BY a.action_ref;
        RETURN NULL;
    END IF;
    INSERT INTO audit (actor, client, method, path, detail, count)
    SELECT a.asked_by, host(inet_client_addr()), TG_OP, 'node_request ' || a.kind,
        jsonb_build_object('body', a.body, 'nodes', jsonb_agg(w.name ORDER BY w.name), 'run', (
            SELECT jsonb_agg(jsonb_build_array(c -> 'binary', c -> 'args'))
            FROM jsonb_path_query(a.body, '$.distributions.verification.commands[*]') AS c)), count(*)
    FROM asked AS a JOIN worker AS w ON w.id = a.worker GROUP BY a.kind, a.body, a.asked_by;
    RETURN NULL;
END;
$$;

DO $triggers$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('runtime', 'INSERT OR UPDATE OR DELETE', 'true', ''),
        ('pack', 'INSERT OR UPDATE OR DELETE', 'true', '''config'''),
        ('action', 'INSERT OR UPDATE OR DELETE', 'true', ''),
        ('sensor', 'INSERT OR UPDATE OR DELETE', 'true', '''config'''),
        ('trigger', 'INSERT OR UPDATE OR DELETE', 'true', ''),
        ('rule', 'INSERT OR UPDATE OR DELETE', 'true', '''action_params'''),
        ('secret', 'INSERT OR UPDATE OR DELETE', 'true', '''value'''),
        ('api_token', 'INSERT OR UPDATE OF name, scope, digest, expires, revoked OR DELETE', 'true', '''digest'''),
        ('login_code', 'INSERT', 'true', '''digest'''),
        ('login_session', 'INSERT', 'true', '''digest'''),
        ('dead_letter', 'DELETE', 'true', '''body'''),
        ('event', 'INSERT', 'NEW.source IS NULL AND NOT NEW.pending', '''payload'''),
        ('execution', 'UPDATE OF status', 'NEW.status::text IN (''canceling'', ''cancelled'')'
            ' AND OLD.status::text IN (''requested'', ''scheduling'', ''scheduled'', ''running'')',
            '''config'', ''sealed'', ''env_vars'', ''result'''),
        ('node_request', 'UPDATE OF worker, kind, body, asked_by', 'true', '''answer'''),
        ('worker', 'UPDATE OF status, meta', '(NEW.status::text = ''draining'''
            ' AND OLD.status::text IN (''active'', ''busy'', ''starting'', ''degraded''))'
            ' OR (OLD.status::text = ''draining'' AND NEW.status::text = ''active'')'
            ' OR (NEW.meta ->> ''reloads'' <> coalesce(OLD.meta ->> ''reloads'', ''''))', '''capabilities''')
    ) AS t (relation, events, condition, hidden)
    LOOP
        EXECUTE format('CREATE TRIGGER audit_change AFTER %s ON %I FOR EACH ROW WHEN (%s) EXECUTE FUNCTION audit_change(%s)',
            one.events, one.relation, one.condition, one.hidden);
    END LOOP;
END;
$triggers$;
CREATE TRIGGER audit_removal AFTER DELETE ON worker FOR EACH ROW EXECUTE FUNCTION audit_change('capabilities');
CREATE TRIGGER audit_requests AFTER INSERT ON execution REFERENCING NEW TABLE AS asked
    FOR EACH STATEMENT EXECUTE FUNCTION audit_requests();
CREATE TRIGGER audit_requests AFTER INSERT ON node_request REFERENCING NEW TABLE AS asked
    FOR EACH STATEMENT EXECUTE FUNCTION audit_requests();
