-- Since when a node has lost a runtime, or has kept it by the fleet guard alone.
ALTER TABLE worker_runtime ADD COLUMN lost_at timestamptz;
CREATE TRIGGER refuse_lost_at BEFORE INSERT OR UPDATE OF lost_at ON worker_runtime FOR EACH ROW
    WHEN (NOT isfinite(NEW.lost_at) OR NEW.lost_at > now() + interval '1 minute') EXECUTE FUNCTION refuse_time();
