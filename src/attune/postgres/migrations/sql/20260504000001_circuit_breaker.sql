-- How often in a row a rule went over the limits of its expressions, and why it is paused. A rule that is changed is
-- judged anew.
ALTER TABLE rule ADD COLUMN overruns integer NOT NULL DEFAULT 0, ADD COLUMN paused text;

CREATE FUNCTION close_circuit_breaker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.overruns := 0;
    NEW.paused := NULL;
    RETURN NEW;
END;
$$;
CREATE TRIGGER rule_changed BEFORE UPDATE ON rule FOR EACH ROW
WHEN ((OLD.conditions, OLD.action_params, OLD.trigger, OLD.action, OLD.enabled)
    IS DISTINCT FROM (NEW.conditions, NEW.action_params, NEW.trigger, NEW.action, NEW.enabled))
EXECUTE FUNCTION close_circuit_breaker();

-- What is counted is no change that the audit has; a pause is.
DROP TRIGGER audit_change ON rule;
CREATE TRIGGER audit_change AFTER INSERT OR DELETE ON rule FOR EACH ROW EXECUTE FUNCTION audit_change('action_params');
CREATE TRIGGER audit_rule AFTER UPDATE ON rule FOR EACH ROW
WHEN (to_jsonb(OLD) - '{overruns,updated}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{overruns,updated}'::text[])
EXECUTE FUNCTION audit_change('action_params');
