SET LOCAL check_function_bodies = off;
ALTER TABLE worker DROP COLUMN heard_at_uptime, ADD COLUMN writing_since timestamptz;
ALTER TABLE fleet_watch DROP COLUMN uptime, ADD COLUMN looked_at timestamptz NOT NULL DEFAULT '-infinity';
SET LOCAL check_function_bodies = on;
