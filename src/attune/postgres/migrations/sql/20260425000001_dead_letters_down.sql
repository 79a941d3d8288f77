DROP FUNCTION replay_dead_letter;
DROP VIEW refusing_node;
ALTER TABLE worker DROP COLUMN refused;
DROP TABLE dead_letter;
