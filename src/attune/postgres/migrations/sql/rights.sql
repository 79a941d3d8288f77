-- Who may do what, as it is to be: run by the migration and by `attune db grant`, as often as one likes. Roles belong to
-- the whole server: another database may be creating them at this moment, and whoever migrates may not be allowed to.
-- Then the installation works with its owner's role until somebody who may runs `attune db grant`.
DO $rights$
DECLARE
    here text := current_schema();
    wanted text;
    object record;
    permitted record;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['attune_admin', 'attune_node', 'attune_reader'] LOOP
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole))
                AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
            NULL;
        END;
        BEGIN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', here, wanted);
        EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
            NULL;
        END;
    END LOOP;

    -- Functions find what they name in the schema that they are in, whatever the caller's search path says; and nobody
    -- may attach one that runs with the owner's rights to a table of their own.
    FOR object IN
        SELECT p.oid::regprocedure AS function, p.proname FROM pg_proc AS p
        WHERE p.pronamespace = here::regnamespace AND pg_has_role(p.proowner, 'MEMBER') AND (
            p.proname LIKE 'procrastinate\_%' OR p.proname IN (
                'announce_class', 'announce_event', 'announce_request', 'announce_sensing', 'audit_actor',
                'audit_change', 'audit_requests', 'begin_executions', 'claim_node', 'close_circuit_breaker', 'close_start_gate', 'count_refusals',
                'count_worker_generation', 'expired', 'filled_queues', 'follow_action_runtime', 'follow_worker_status',
                'follow_action_priority',
                'give_back_jobs', 'held_back', 'in_use', 'is_adrift', 'is_live', 'keeps_journal', 'mark_overdue', 'may_decide', 'may_read_all', 'note_change',
                'notify_event_created', 'notify_execution_change',
                'note_execution', 'note_writing', 'notify_runtime_change', 'notify_token_change', 'offer_executions',
                'offer_next', 'owns', 'priority_of',
                'promote_executions', 'reads_queue', 'record_runtime_change', 'refuse_time', 'record_timeline', 'remove_expired', 'replay_dead_letter', 'resume_attempts',
                'runs_sensor', 'skipped_by_rule',
                'stamp_audit', 'sweep_lost', 'take_jobs', 'take_leases', 'tell_node_request', 'tidy_executions',
                'tell_move', 'update_updated_column'))
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', object.function, here);
        IF object.proname NOT IN ('may_decide', 'may_read_all', 'owns', 'runs_sensor', 'keeps_journal', 'is_live', 'in_use',
                'held_back', 'priority_of') THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', object.function);
        END IF;
        FOR permitted IN SELECT rolname FROM pg_roles WHERE rolname IN ('attune_admin', 'attune_node', 'attune_reader') LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', object.function, permitted.rolname);
            IF object.proname IN ('take_jobs', 'give_back_jobs', 'filled_queues', 'begin_executions', 'note_execution',
                    'claim_node', 'remove_expired', 'resume_attempts',
                    'promote_executions', 'tidy_executions', 'sweep_lost', 'mark_overdue', 'take_leases')
                AND permitted.rolname IN ('attune_admin', 'attune_node')
                OR permitted.rolname = 'attune_admin'
                AND (object.proname LIKE 'procrastinate\_%'
                    OR object.proname IN ('close_start_gate', 'count_refusals', 'expired', 'replay_dead_letter', 'skipped_by_rule')) THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', object.function, permitted.rolname);
            END IF;
        END LOOP;
    END LOOP;

    FOR object IN
        SELECT c.oid::regclass AS relation, c.relkind FROM pg_class AS c
        WHERE c.relnamespace = here::regnamespace AND c.relkind IN ('r', 'v', 'S') AND pg_has_role(c.relowner, 'MEMBER')
    LOOP
        FOR permitted IN SELECT rolname FROM pg_roles WHERE rolname IN ('attune_admin', 'attune_node', 'attune_reader') LOOP
            EXECUTE format('REVOKE ALL ON %s %s FROM %I', CASE object.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                object.relation, permitted.rolname);
        END LOOP;
    END LOOP;

    FOR permitted IN
        SELECT p.role, p.rights, t.name FROM (VALUES
            ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE',
                'pack pack_version pack_file runtime action sensor trigger rule worker worker_runtime worker_capability'
                ' worker_load worker_class requirement_class node_request sensor_lease sensor_journal sensor_position'
                ' dead_letter secret api_token login_code login_session procrastinate_jobs procrastinate_workers api_process'
                ' procrastinate_events procrastinate_periodic_defers'),
            ('attune_admin', 'SELECT, INSERT, DELETE', 'runtime_transition execution_output'),
            ('attune_admin', 'SELECT, INSERT, UPDATE (pending), DELETE', 'event'),
            ('attune_admin', 'SELECT, INSERT, UPDATE (status, config)', 'enforcement'),
            ('attune_admin', 'SELECT, INSERT, UPDATE', 'execution'),
            ('attune_admin', 'SELECT, INSERT', 'audit capability action_version'),
            ('attune_admin', 'SELECT, UPDATE', 'fleet_watch'),
            ('attune_admin', 'SELECT, DELETE', 'change'),
            ('attune_admin', 'SELECT', 'retention'),
            ('attune_admin', 'SELECT',
                'runtime_history alembic_version _sqlx_migrations node connected_node refusing_node worker_offer'),
            ('attune_node', 'SELECT',
                'pack_version pack_file runtime action sensor trigger worker requirement_class secret fleet_watch'
                ' alembic_version _sqlx_migrations node connected_node worker_offer execution event sensor_lease'
                ' node_request action_version'),
            ('attune_node', 'SELECT (id, ref, digest)', 'pack'),
            ('attune_node', 'INSERT (name, worker_type, worker_role, host, status, capabilities, meta, last_heartbeat),'
                ' UPDATE (host, status, capabilities, meta, last_heartbeat, problem, refused)', 'worker'),
            ('attune_node', 'SELECT, INSERT, UPDATE, DELETE', 'worker_runtime'),
            ('attune_node', 'SELECT, INSERT, UPDATE', 'worker_capability worker_load'),
            ('attune_node', 'SELECT, INSERT, DELETE', 'worker_class'),
            ('attune_node', 'SELECT, INSERT', 'capability runtime_transition execution_output'),
            ('attune_node', 'UPDATE (answer, answered_at)', 'node_request'),
            ('attune_node', 'UPDATE (status, reason, result, exit_code, dropped_bytes, failures, losses, not_before,'
                ' finished_at)', 'execution'),
            ('attune_node', 'UPDATE (not_started)', 'execution'),
            ('attune_node', 'INSERT (trigger, trigger_ref, payload, source, source_ref, pending)', 'event'),
            ('attune_node', 'INSERT (kind, source, body, reason, sqlstate, times)', 'dead_letter'),
            ('attune_node', 'UPDATE (worker, renewed_at, expires_at, state, reason, since, restarts, bad_lines, pid)',
                'sensor_lease'),
            ('attune_node', 'UPDATE (last_lines)', 'sensor_lease'),
            ('attune_node', 'SELECT, UPDATE (shipped), DELETE', 'sensor_journal'),
            ('attune_node', 'SELECT, INSERT (sensor, position), UPDATE (position, updated)', 'sensor_position'),
            ('attune_reader', 'SELECT',
                'pack pack_version pack_file runtime runtime_history action sensor trigger rule worker worker_runtime'
                ' worker_capability worker_load worker_class worker_offer capability requirement_class node'
                ' connected_node refusing_node fleet_watch runtime_transition change node_request execution'
                ' execution_output event enforcement dead_letter sensor_lease sensor_journal sensor_position audit'
                ' procrastinate_jobs procrastinate_events alembic_version _sqlx_migrations action_version retention api_process')
        ) AS p (role, rights, tables) CROSS JOIN LATERAL string_to_table(p.tables, ' ') AS t (name)
        WHERE to_regclass(format('%I.%I', here, t.name)) IS NOT NULL
          AND EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON %I.%I TO %I', permitted.rights, here, permitted.name, permitted.role);
            IF permitted.rights LIKE '%INSERT%' AND EXISTS (
                SELECT FROM pg_attribute AS a WHERE a.attrelid = to_regclass(format('%I.%I', here, permitted.name))
                  AND a.attname = 'id' AND NOT a.attisdropped)
                AND pg_get_serial_sequence(format('%I.%I', here, permitted.name), 'id') IS NOT NULL THEN
                EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I',
                    pg_get_serial_sequence(format('%I.%I', here, permitted.name), 'id'), permitted.role);
            END IF;
        EXCEPTION WHEN insufficient_privilege OR undefined_column THEN  -- a column of a later revision
            NULL;
        END;
    END LOOP;

    -- What somebody plants there would be found by others' statements: earlier servers let everybody.
    IF here = 'public' THEN
        BEGIN
            REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END IF;
END;
$rights$;
