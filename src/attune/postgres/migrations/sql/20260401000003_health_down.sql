DROP TRIGGER count_worker_generation ON worker;
DROP FUNCTION count_worker_generation();
ALTER TABLE worker DROP COLUMN generation;
DROP TABLE runtime_transition;
