DROP TRIGGER refuse_lost_at ON worker_runtime;
ALTER TABLE worker_runtime DROP COLUMN lost_at;
