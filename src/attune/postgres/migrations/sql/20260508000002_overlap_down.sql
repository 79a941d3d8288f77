DROP FUNCTION skipped_by_rule;
ALTER TABLE rule DROP COLUMN overlap, DROP COLUMN at_most_every_seconds;
