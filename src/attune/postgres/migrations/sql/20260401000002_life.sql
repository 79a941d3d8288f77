-- When somebody last looked for nodes whose heartbeat is overdue: one row, so that one node at a time looks.
CREATE TABLE fleet_watch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    looked_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO fleet_watch DEFAULT VALUES;

DO $grants$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'attune_node') THEN
        GRANT SELECT, UPDATE ON fleet_watch TO attune_node;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'attune_admin') THEN
        GRANT SELECT, UPDATE ON fleet_watch TO attune_admin;
    END IF;
END
$grants$;
