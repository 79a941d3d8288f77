-- Indexes that lookups and deletions along references need. An adopted database has most of them, under these names;
-- later versions of an earlier installation may lack a table or a column.

DO $indexes$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('idx_trigger_pack', 'trigger', 'pack'),
        ('idx_sensor_pack', 'sensor', 'pack'),
        ('idx_sensor_runtime', 'sensor', 'runtime'),
        ('idx_sensor_trigger', 'sensor', 'trigger'),
        ('idx_action_pack', 'action', 'pack'),
        ('idx_action_runtime', 'action', 'runtime'),
        ('idx_rule_pack', 'rule', 'pack'),
        ('idx_rule_action', 'rule', 'action'),
        ('idx_rule_trigger', 'rule', 'trigger'),
        ('idx_event_trigger', 'event', 'trigger'),
        ('idx_event_source', 'event', 'source'),
        ('idx_event_rule', 'event', 'rule'),
        ('idx_event_created', 'event', 'created DESC'),
        ('idx_enforcement_rule', 'enforcement', 'rule'),
        ('idx_enforcement_event', 'enforcement', 'event'),
        ('idx_enforcement_status_created', 'enforcement', 'status, created DESC'),
        ('idx_execution_action', 'execution', 'action'),
        ('idx_execution_parent', 'execution', 'parent'),
        ('idx_execution_enforcement', 'execution', 'enforcement'),
        ('idx_execution_status_created', 'execution', 'status, created DESC'),
        ('idx_execution_created', 'execution', 'created DESC')
    ) AS i (name, relation, columns)
    LOOP
        BEGIN
            EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I (%s)', wanted.name, wanted.relation, wanted.columns);
        EXCEPTION WHEN undefined_table OR undefined_column THEN
            NULL;
        END;
    END LOOP;
END;
$indexes$;
