-- What an installation of June 2026 holds: each way of placing, two versions of a runtime, workflows, what has no equal.

INSERT INTO identity (id, login) VALUES (1, 'ada');
INSERT INTO permission_set (id, ref) VALUES (1, 'acme.all');
INSERT INTO pack (id, ref, label, version, storage_path, created, updated) VALUES
    (1, 'core', 'Core', '1.0.0', NULL, '2026-05-01', '2026-05-02'), (2, 'acme', 'Acme', '0.3.0', '/opt/packs/acme', '2026-05-01', '2026-05-02');
INSERT INTO runtime (id, ref, pack, pack_ref, name, distributions, aliases, auto_detected, execution_config, created, updated) VALUES
    (1, 'core.python', 1, 'core', 'Python', '{"verification": {"commands": [{"binary": "python3", "args": ["--version"], "priority": 1}]}}',
        '{python,python3}', true, '{"interpreter": {"binary": "python3", "args": ["-u"], "file_extension": ".py"},
          "environment": {"env_type": "virtualenv", "dir_name": ".venv", "create_command": ["python3", "-m", "venv", "{env_dir}"]},
          "dependencies": {"manifest_file": "requirements.txt"}, "env_vars": {"GREETING": "hello", "PYTHONPATH": "/tmp/planted", "LD_PRELOAD": "/tmp/x.so"}}',
        '2026-05-01', '2026-05-02'),
    (2, 'core.shell', 1, 'core', 'Shell', '{"verification": {"commands": [{"binary": "sh", "args": ["-c", "exit 0"]}]}}', '{}', false,
        '{"interpreter": {"binary": "/bin/sh", "args": []}}', '2026-05-01', '2026-05-02'),
    (3, 'acme.ruby', 2, 'acme', 'Acme Ruby', '{}', '{Ruby,rb}', false, '{}', '2026-05-01', '2026-05-02'),
    (4, 'core.sensor.builtin', 1, 'core', 'Built-in', '{"roles": ["sensor"], "verification": {"always_available": true}}', '{}', false, '{}', '2026-05-01', '2026-05-02');
INSERT INTO runtime_version (runtime, runtime_ref, version, is_default, execution_config, distributions) VALUES
    (1, 'core.python', '3.11', false, '{"interpreter": {"binary": "python3.11"}}',
        '{"verification": {"commands": [{"binary": "python3.11", "args": ["--version"], "pattern": "Python 3\\.11"}]}}'),
    (1, 'core.python', '3.12', true, '{"interpreter": {"binary": "/usr/bin/python3.12"}}', '{}'),
    (3, 'acme.ruby', '3.2', true, '{}', '{}');
INSERT INTO sensor (id, ref, pack, pack_ref, label, entrypoint, runtime, runtime_ref, enabled, config, worker_selector, created, updated) VALUES
    (1, 'acme.watch', 2, 'acme', 'Watch', 'watch.py', 1, 'core.python', true, NULL, '{"zone": "eu"}', '2026-05-01', '2026-05-02'),
    (2, 'core.interval_timer_sensor', 1, 'core', 'Timer', 'interval', 4, 'core.sensor.builtin', true, NULL, '{}', '2026-05-01', '2026-05-02'),
    (3, 'acme.idle', 2, 'acme', 'Idle', 'idle.py', 1, 'core.python', false, NULL, '{}', '2026-05-01', '2026-05-02');
INSERT INTO trigger (id, ref, pack, pack_ref, label, sensor, sensor_ref, webhook_enabled, webhook_key) VALUES
    (1, 'acme.found', 2, 'acme', 'Found', 1, 'acme.watch', false, NULL), (2, 'acme.lost', 2, 'acme', 'Lost', 1, 'acme.watch', false, NULL),
    (3, 'core.intervaltimer', 1, 'core', 'Interval', 2, 'core.interval_timer_sensor', false, NULL),
    (4, 'acme.hook', 2, 'acme', 'Hook', NULL, NULL, true, 'wh_0123456789');
INSERT INTO workflow_definition (id, ref, definition) VALUES (1, 'acme.flow', '{"tasks": []}');
INSERT INTO action (id, ref, pack, pack_ref, label, entrypoint, runtime, accesses_mcp, timeout_seconds, max_retries, runtime_version_constraint,
    worker_selector, worker_tolerations, worker_affinity, parameter_delivery, parameter_format, default_execution_permission_set_refs,
    workflow_def, created, updated) VALUES
    (1, 'acme.deploy', 2, 'acme', 'Deploy', 'deploy.py', 1, false, 30, 2, '>=3.11', '{"zone": "eu", "disk": "ssd"}',
        '[{"key": "gpu", "operator": "Equal", "value": "true", "effect": "NoSchedule"}, {"key": "spot", "operator": "Exists"}]',
        '{"required": [{"match_labels": {"tier": "gold"}, "match_expressions": [{"key": "rack", "operator": "In", "values": ["r2", "r3"]}]}], "preferred": [{"weight": 10, "preference": {"match_labels": {"rack": "r1"}}}]}',
        'file', 'yaml', '{acme.all}', NULL, '2026-05-01', '2026-05-02'),
    (2, 'acme.plain', 2, 'acme', 'Plain', 'plain.sh', 2, false, NULL, NULL, NULL, '{}', '[]', '{}', 'stdin', 'json', '{}', NULL, '2026-05-01', '2026-05-02'),
    (3, 'acme.odd', 2, 'acme', 'Odd', 'odd.sh', 2, true, 0, -1, NULL, '{"zone with blanks and \"quotes\"": "x", "n": 7}', '{"no": "list"}',
        '{"required": [{"match_expressions": [{"key": "zone", "operator": "In", "values": ["eu", "us"]}]}, "text"], "preferred": 3}',
        'stdin', 'dotenv', '{}', NULL, '2026-05-01', '2026-05-02'),
    (4, 'acme.flow', 2, 'acme', 'Flow', 'flow.yaml', NULL, false, NULL, NULL, NULL, '{}', '[]', '{}', 'stdin', 'json', '{}', 1, '2026-05-01', '2026-05-02');
INSERT INTO rule (id, ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref, enabled, trigger_params,
    action_params, permission_set_refs, owner_identity, conditions) VALUES
    (1, 'acme.rule', 2, 'acme', 'R', 'R', 1, 'acme.deploy', 1, 'acme.found', true, '{}', '{"who": "{{ trigger.payload.who }}"}', '{acme.all}', 1, '{}'),
    (2, 'acme.gone', 2, 'acme', 'G', 'G', NULL, 'acme.removed', NULL, 'acme.removed', true, '{}', '{}', '{}', NULL, '[]'),
    (3, 'acme.every10', 2, 'acme', 'E', 'E', 2, 'acme.plain', 3, 'core.intervaltimer', true, '{"unit": "seconds", "interval": 10}', '{}', '{}', NULL, '[]');
INSERT INTO worker (id, name, worker_type, runtime, worker_role, status, capabilities, cordoned, cordon_reason, cordoned_by, last_heartbeat,
    meta, created, updated) VALUES
    (1, 'build-1', 'local', 1, 'action', 'active', '{"runtimes": ["python"]}', false, NULL, NULL, '2026-06-01', NULL, '2026-05-01', '2026-05-02'),
    (2, 'build-2', 'local', 1, 'hybrid', 'active', '{"runtimes": ["python"]}', true, 'disk is full', 1, '2026-06-01', '{"pid": 7}', '2026-05-01', '2026-05-02');
INSERT INTO event (id, trigger, trigger_ref, payload, source, source_ref) VALUES (1, 1, 'acme.found', '{"who": "ada"}', 1, 'acme.watch');
INSERT INTO enforcement (id, rule, rule_ref, trigger_ref, event, payload, status, resolved_at) VALUES
    (1, 1, 'acme.rule', 'acme.found', 1, '{}', 'processed', '2026-06-02'), (2, 1, 'acme.rule', 'acme.found', 99, '{}', 'created', NULL);
INSERT INTO execution (id, action, action_ref, enforcement, status, worker, started_at, env_vars, retry_count, max_retries, result) VALUES
    (1, 1, 'acme.deploy', 1, 'completed', 1, '2026-06-02', '{"A": "b"}', 1, 2, '{"ok": true}'),
    (2, 2, 'acme.plain', NULL, 'running', 1, '2026-06-02', NULL, 0, NULL, NULL), (3, 4, 'acme.flow', NULL, 'canceling', NULL, NULL, NULL, 0, NULL, NULL);
INSERT INTO workflow_execution (execution, workflow_def) VALUES (3, 1);
INSERT INTO execution_history (operation, entity_id) VALUES ('INSERT', 1);
SELECT setval(pg_get_serial_sequence(t, 'id'), 1000) FROM unnest(ARRAY['pack', 'runtime', 'action', 'sensor', 'worker', 'trigger', 'event',
    'rule', 'enforcement', 'execution']) AS t;
CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(),
    success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
SELECT 20250101000000 + n, 'rolled up', true, '\x00', 1 FROM generate_series(1, 14) AS n;
