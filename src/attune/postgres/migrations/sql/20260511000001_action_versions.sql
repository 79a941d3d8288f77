-- What an execution was asked of, kept as it was: one row for each content of an action, written once.
CREATE TABLE action_version (
    digest text PRIMARY KEY,
    action_ref text NOT NULL,
    content jsonb NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
-- Executions of before have none: they run the action as it is.
ALTER TABLE execution ADD COLUMN action_version text REFERENCES action_version (digest);
