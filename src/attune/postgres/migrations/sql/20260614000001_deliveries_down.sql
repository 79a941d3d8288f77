UPDATE action SET parameter_delivery = 'stdin' WHERE parameter_delivery NOT IN ('stdin', 'env', 'args');
ALTER TABLE action DROP CONSTRAINT action_parameter_delivery, ADD CONSTRAINT action_parameter_delivery
    CHECK (parameter_delivery IN ('stdin', 'env', 'args'));
