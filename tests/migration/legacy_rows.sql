-- What real installations hold: every shape of runtime row, and actions, sensors and workers that use them.

INSERT INTO pack (id, ref, label, version, runtime_deps, created, updated) VALUES
    (1, 'core', 'Core', '1.0.0', '{}', '2025-02-01', '2025-02-02'),
    (2, 'acme', 'Acme', '0.3.0', '{core.action.python3,core.sensor.python,acme.action.ruby,bash}', '2025-02-01', '2025-02-02');

INSERT INTO runtime (id, ref, pack, pack_ref, description, runtime_type, name, distributions, installation, created, updated)
SELECT id, ref, pack, pack_ref, description, split_part(ref, '.', 2)::runtime_type_enum, name, distributions::jsonb,
    installation::jsonb, '2025-03-01'::timestamptz + id * interval '1 hour', '2025-04-01'::timestamptz + id * interval '1 hour'
FROM (VALUES
    (1, 'core.action.python3', NULL::bigint, 'core', 'Runs actions', 'Python 3 Action Runtime', '["python3"]',
        '{"method": "system", "package_manager": "pip", "module_support": true}'),
    (2, 'core.sensor.python3', NULL, 'core', 'Runs sensors', 'Python 3 Sensor Runtime', '["python3"]',
        '{"method": "system", "package_manager": "pip", "requirements_file": true}'),
    (3, 'core.action.python', 1, 'core', NULL, 'Python', '{}', NULL),
    (4, 'core.sensor.python', 1, 'core', 'Python runtime', 'Python',
        '{"min_version": "3.8", "recommended_version": "3.11", "verification": {"commands": [
          {"binary": "python3", "args": ["--version"], "exit_code": 0, "pattern": "Python 3\\.", "priority": 1},
          {"binary": "python", "args": ["--version"], "exit_code": 0, "pattern": "Python 3\\.", "priority": 2}]}}', NULL),
    (5, 'core.action.nodejs', NULL, 'core', NULL, 'Node.js Action Runtime', '["nodejs", "node"]',
        '{"method": "system", "package_manager": "npm"}'),
    (6, 'core.action.node', 1, 'core', NULL, 'Node', '{}', NULL),
    (7, 'core.sensor.nodejs', NULL, 'core', NULL, 'Node.js Sensor Runtime',
        '{"min_version": "16.0.0", "verification": {"commands": [
          {"binary": "node", "args": ["--version"], "exit_code": 0, "pattern": "v\\d+", "priority": 1}]}}', NULL),
    (8, 'core.action.shell', NULL, 'core', NULL, 'Shell Action Runtime', '["bash", "sh"]', '{"method": "system"}'),
    (9, 'core.sensor.shell', 1, 'core', NULL, 'Shell Sensor Runtime',
        '{"verification": {"commands": [{"binary": "sh", "args": ["-c", "exit 0"], "priority": 1, "optional": true}],
          "always_available": true}}', NULL),
    (10, 'core.action.native', NULL, 'core', NULL, 'Native Action Runtime', '["native"]', NULL),
    (11, 'core.sensor.native', 1, 'core', NULL, 'Native Sensor Runtime',
        '{"languages": ["rust", "go"], "verification": {"always_available": true, "check_required": false}}', NULL),
    (12, 'core.sensor.builtin', 1, 'core', 'Sensors in the service itself', 'Built-in',
        '{"type": "builtin", "verification": {"always_available": true, "check_required": false}}', NULL),
    (13, 'acme.action.ruby', 2, 'acme', NULL, 'Acme Ruby', '{"verification": {"commands": [
          {"binary": "ruby3", "args": ["-v"], "priority": 5}, {"binary": "ruby", "args": ["-v"], "priority": 7}]},
          "min_version": "3.10", "version_constraint": ">=3,<4"}', '{"gems": {"rake": "13"}}'),
    (14, 'acme.sensor.ruby', 2, 'acme', 'Ruby for sensors', 'Ruby', '{"verification": {"commands": [
          {"binary": "jruby", "args": ["-v"], "priority": 6}, {"binary": "ruby", "args": ["-v"], "exit_code": 0, "priority": 1}]},
          "min_version": "3.2", "version_constraint": ">=2.7", "vendor": "acme"}', '{"gems": {"rake": "12", "json": "2"}}'),
    (15, 'acme.action.lua', 2, 'acme', NULL, 'Lua Action Runtime', '{"verification": {"commands": [
          {"binary": "lua", "args": ["-v"]}]}}', NULL),
    (16, 'acme.sensor.erlang', NULL, 'acme', NULL, 'Erlang', '{}', NULL),
    (17, 'acme.action.node', 2, 'acme', NULL, 'Node', '["node18"]', NULL),
    (18, 'acme.sensor.nodejs', 2, 'acme', NULL, 'Our Node', '{}', NULL),
    (19, 'acme.sensor.python3', 2, 'acme', NULL, 'Python 3 Sensor Runtime', '["python3.11", "", 7]', NULL),
    (20, 'lost.action.go', NULL, NULL, NULL, 'Go', '{"verification": {"commands": [{"binary": "go", "args": ["version"]}]}}', NULL),
    (21, 'lost.sensor.go', NULL, 'gone', NULL, 'Go', '"go"', NULL),
    (22, 'odd.action.thing', NULL, NULL, NULL, 'Thing', '{"verification": {"commands": "thing --version"}}', '[1]'),
    (23, 'odd.sensor.thing', NULL, NULL, NULL, 'Thing', '{"verification": {"commands": [null, "x", {"binary": "t", "priority": "1"}]}}',
        '{"a": 1}')
) AS row (id, ref, pack, pack_ref, description, name, distributions, installation);

INSERT INTO trigger (id, ref, pack, pack_ref, label) VALUES (1, 'acme.tick', 2, 'acme', 'Tick');
INSERT INTO action (id, ref, pack, pack_ref, label, description, entrypoint, runtime, created, updated)
SELECT r.id, 'acme.do' || r.id, 2, 'acme', 'Do', 'Does', 'do.py', r.id, '2025-05-01', '2025-05-02' FROM runtime AS r;
INSERT INTO action (id, ref, pack, pack_ref, label, description, entrypoint) VALUES (50, 'acme.flow', 2, 'acme', 'F', 'F', 'f');
INSERT INTO sensor (id, ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref, enabled,
    created, updated)
SELECT r.id, 'acme.watch' || r.id, 2, 'acme', 'Watch', 'Watches', 'watch.py', r.id, r.ref, 1, 'acme.tick', true,
    '2025-05-01', '2025-05-02' FROM runtime AS r;
UPDATE sensor SET runtime_ref = 'core.sensor.stale' WHERE id = 4;
INSERT INTO worker (id, name, worker_type, runtime, worker_role, status, capabilities, meta, last_heartbeat, created, updated)
SELECT r.id, 'worker-' || r.id, 'local', r.id, CASE r.id % 3 WHEN 0 THEN 'sensor' WHEN 1 THEN 'action' ELSE 'hybrid' END::worker_role_enum,
    'active', '{"runtimes": ["python3", "shell"]}', NULL, '2026-01-01', '2025-06-01', '2025-06-02' FROM runtime AS r;
INSERT INTO worker (id, name, worker_type, worker_role, meta, last_heartbeat) VALUES
    (101, 'twin', 'local', 'action', NULL, '2026-01-01'),
    (102, 'twin', 'remote', 'action', '{"zone": "eu"}', '2026-01-03'),
    (103, 'twin', 'container', 'action', '[1, 2]', NULL),
    (104, 'twin', 'local', 'sensor', NULL, '2026-01-02'),
    (105, 'twin#2', 'local', 'action', '{}', '2026-01-02');
INSERT INTO event (id, trigger, trigger_ref, source, source_ref) VALUES (1, 1, 'acme.tick', 2, 'acme.watch2');
INSERT INTO rule (id, ref, pack, pack_ref, label, description, action, action_ref, trigger, trigger_ref, enabled)
VALUES (1, 'acme.rule', 2, 'acme', 'R', 'R', 2, 'acme.do2', 1, 'acme.tick', true);
INSERT INTO execution (id, action, action_ref) VALUES (1, 2, 'acme.do2');
INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES
    (20250101000001, 'initial setup', true, '\x00', 1), (20260202000001, 'last before the unify step', true, '\x00', 1);
SELECT setval(pg_get_serial_sequence(t, 'id'), 1000) FROM unnest(ARRAY['pack', 'runtime', 'action', 'sensor', 'worker', 'trigger', 'event',
    'rule', 'execution']) AS t;
