-- What is encrypted cannot be read any more: executions that wait for it fail with what their action says.
ALTER TABLE execution DROP COLUMN sealed;
DROP TABLE secret;
