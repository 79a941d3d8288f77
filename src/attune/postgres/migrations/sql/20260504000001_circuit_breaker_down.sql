DROP TRIGGER audit_rule ON rule;
DROP TRIGGER audit_change ON rule;
CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON rule FOR EACH ROW EXECUTE FUNCTION audit_change('action_params');
DROP TRIGGER rule_changed ON rule;
DROP FUNCTION close_circuit_breaker;
ALTER TABLE rule DROP COLUMN overruns, DROP COLUMN paused;
