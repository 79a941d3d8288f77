DROP TABLE execution_output;
DROP TRIGGER announce_request ON execution;
DROP FUNCTION announce_request();
DROP TABLE worker_class;
DROP TABLE requirement_class;
DROP FUNCTION announce_class();
DROP TRIGGER follow_action_runtime ON action;
DROP FUNCTION follow_action_runtime();
ALTER TABLE action DROP COLUMN runtime_row_ref;
ALTER TABLE execution
    DROP COLUMN policy, DROP COLUMN requirement, DROP COLUMN queue, DROP COLUMN extra_requires, DROP COLUMN deadline,
    DROP COLUMN not_before, DROP COLUMN job, DROP COLUMN attempt, DROP COLUMN failures, DROP COLUMN losses,
    DROP COLUMN retries, DROP COLUMN retry_delay_seconds, DROP COLUMN on_lost, DROP COLUMN timeout_seconds,
    DROP COLUMN worker, DROP COLUMN worker_name, DROP COLUMN interpreter, DROP COLUMN exit_code, DROP COLUMN reason,
    DROP COLUMN pack_digest, DROP COLUMN retry_of, DROP COLUMN dropped_bytes, DROP COLUMN started_at,
    DROP COLUMN finished_at;
