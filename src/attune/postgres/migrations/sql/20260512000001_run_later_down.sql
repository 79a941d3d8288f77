-- What was to start later is offered at once, as what is to be tried again.
UPDATE execution SET not_before = now() WHERE status = 'scheduling' AND policy IS NOT NULL AND attempt = 0;
DROP TRIGGER announce_request ON execution;
CREATE TRIGGER announce_request AFTER INSERT ON execution FOR EACH ROW
    WHEN (NEW.status = 'requested' AND NEW.queue IS NULL) EXECUTE FUNCTION announce_request();
ALTER TABLE action DROP COLUMN retry_max_delay_seconds, DROP COLUMN grace_seconds;
ALTER TABLE rule DROP COLUMN delay_seconds;
