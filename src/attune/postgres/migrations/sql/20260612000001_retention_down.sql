DROP FUNCTION remove_expired;
DROP FUNCTION expired;
DROP INDEX idx_execution_retry_of, idx_enforcement_created, idx_execution_output_created;
DROP TABLE retention;
