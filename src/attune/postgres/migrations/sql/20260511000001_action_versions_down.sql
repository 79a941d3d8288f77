ALTER TABLE execution DROP COLUMN action_version;
DROP TABLE action_version;
