-- Executions on a queue: attempts, classes, output.
SELECT 1;
