DROP TRIGGER rule_changed ON rule;
DROP FUNCTION close_circuit_breaker;
ALTER TABLE rule DROP COLUMN overruns, DROP COLUMN paused;
