-- The rights as they were before roles had row-level security.
DO $rights$
DECLARE
    here text := current_schema();
    object record;
    permitted record;
BEGIN
    FOR object IN
        SELECT c.oid::regclass AS relation, c.relkind, r.rolname FROM pg_class AS c CROSS JOIN pg_roles AS r
        WHERE c.relnamespace = here::regnamespace AND c.relkind IN ('r', 'v', 'S') AND pg_has_role(c.relowner, 'MEMBER')
          AND r.rolname IN ('attune_admin', 'attune_node', 'attune_reader')
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %I', CASE object.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
            object.relation, object.rolname);
    END LOOP;
    FOR object IN
        SELECT p.oid::regprocedure AS function FROM pg_proc AS p CROSS JOIN pg_roles AS r
        WHERE p.pronamespace = here::regnamespace AND pg_has_role(p.proowner, 'MEMBER')
          AND p.proacl::text LIKE '%attune\_admin%' AND r.rolname = 'attune_admin'
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', object.function);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM attune_admin', object.function);
    END LOOP;
    FOR permitted IN
        SELECT p.role, p.rights, t.name FROM (VALUES
            ('attune_admin', 'DELETE, INSERT, SELECT, UPDATE',
                'action api_token login_code login_session node_request pack pack_file pack_version '
                'procrastinate_events procrastinate_jobs procrastinate_workers requirement_class rule runtime secret '
                'sensor trigger worker worker_class'),
            ('attune_admin', 'SELECT',
                'alembic_version capability runtime_history'),
            ('attune_admin', 'INSERT, SELECT',
                'audit enforcement'),
            ('attune_admin', 'DELETE, SELECT',
                'change execution_output runtime_transition sensor_journal sensor_lease sensor_position '
                'worker_runtime'),
            ('attune_admin', 'DELETE, SELECT, UPDATE',
                'dead_letter worker_capability worker_load'),
            ('attune_admin', 'DELETE, INSERT, SELECT',
                'event'),
            ('attune_admin', 'INSERT, SELECT, UPDATE',
                'execution'),
            ('attune_admin', 'SELECT, UPDATE',
                'fleet_watch'),
            ('attune_admin', 'SELECT',
                'connected_node node refusing_node worker_offer'),
            ('attune_node', 'SELECT',
                'action alembic_version change pack pack_file pack_version procrastinate_periodic_defers rule runtime '
                'runtime_history secret sensor trigger'),
            ('attune_node', 'INSERT, SELECT',
                'capability enforcement event execution_output requirement_class runtime_transition'),
            ('attune_node', 'INSERT',
                'dead_letter'),
            ('attune_node', 'INSERT, SELECT, UPDATE',
                'execution'),
            ('attune_node', 'SELECT, UPDATE',
                'fleet_watch node_request'),
            ('attune_node', 'DELETE, INSERT, SELECT, UPDATE',
                'procrastinate_events procrastinate_jobs procrastinate_workers sensor_journal sensor_lease '
                'sensor_position worker worker_capability worker_class worker_load worker_runtime'),
            ('attune_node', 'SELECT',
                'connected_node node refusing_node worker_offer'),
            ('attune_admin', 'USAGE',
                'action_id_seq api_token_id_seq audit_id_seq dead_letter_id_seq enforcement_id_seq event_id_seq '
                'execution_id_seq node_request_id_seq pack_id_seq procrastinate_events_id_seq '
                'procrastinate_jobs_id_seq rule_id_seq runtime_id_seq runtime_transition_id_seq sensor_id_seq '
                'trigger_id_seq worker_id_seq'),
            ('attune_node', 'USAGE',
                'dead_letter_id_seq enforcement_id_seq event_id_seq execution_id_seq procrastinate_events_id_seq '
                'procrastinate_jobs_id_seq runtime_transition_id_seq worker_id_seq'),
            ('attune_admin', 'UPDATE (status, config)', 'enforcement'),
            ('attune_node', 'UPDATE (status, config)', 'enforcement'),
            ('attune_admin', 'UPDATE (action)', 'execution')
        ) AS p (role, rights, tables) CROSS JOIN LATERAL string_to_table(p.tables, ' ') AS t (name)
        WHERE to_regclass(format('%I.%I', here, t.name)) IS NOT NULL
          AND EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON %s %I.%I TO %I', permitted.rights,
                CASE permitted.rights WHEN 'USAGE' THEN 'SEQUENCE' ELSE 'TABLE' END, here, permitted.name, permitted.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
