DROP TABLE node_request;
DROP FUNCTION tell_node_request();
DROP TRIGGER note_worker_change ON worker;
DROP TRIGGER note_worker_come_or_gone ON worker;
DROP TRIGGER note_transition ON runtime_transition;
DROP TRIGGER note_runtime_change ON runtime;
DROP FUNCTION note_change();
DROP TABLE change;
