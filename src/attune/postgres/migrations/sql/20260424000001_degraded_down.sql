-- The label stays in the type: PostgreSQL cannot remove one, and it does no harm.
UPDATE worker SET status = 'active' WHERE status::text = 'degraded';
DROP VIEW connected_node;
DROP VIEW node;
ALTER TABLE worker DROP COLUMN problem;
