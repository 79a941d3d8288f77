-- Without priorities, limits and pauses. What was held back is offered.
SET LOCAL check_function_bodies = off;

DROP TRIGGER offer_next ON execution;
DROP FUNCTION offer_next;
DROP TRIGGER follow_action_priority ON action;
DROP FUNCTION follow_action_priority;

DROP FUNCTION begin_executions;
DROP FUNCTION resume_attempts;
DROP FUNCTION held_back;
DROP FUNCTION in_use;
DROP FUNCTION priority_of;
DROP INDEX idx_execution_in_use;
DROP INDEX idx_execution_waiting;
CREATE INDEX idx_execution_waiting ON execution (queue, id) WHERE status = 'requested' AND policy IS NOT NULL;
ALTER TABLE execution DROP COLUMN priority, DROP COLUMN given_priority;
ALTER TABLE fleet_watch DROP COLUMN paused_at, DROP COLUMN paused_by;
ALTER TABLE rule DROP COLUMN priority;
ALTER TABLE action DROP COLUMN priority, DROP COLUMN concurrency, DROP COLUMN paused_at, DROP COLUMN paused_by;
SET LOCAL check_function_bodies = on;
