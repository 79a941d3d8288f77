-- The type stays: a column that is written anew so is no change of its rows.
ALTER TABLE action DROP CONSTRAINT action_parameter_delivery, ALTER parameter_delivery TYPE text USING
    CASE WHEN parameter_delivery IN ('stdin', 'env', 'args') THEN parameter_delivery ELSE 'stdin' END,
    ADD CONSTRAINT action_parameter_delivery CHECK (parameter_delivery IN ('stdin', 'env', 'args'));
