-- Rows that were refused as they are (`core/events/dead_letter.py`), with the reason: kept until somebody replays or
-- removes them. `body` is JSON as text: what `jsonb` refuses must fit, too.
CREATE TABLE dead_letter (
    id bigserial PRIMARY KEY,
    kind text NOT NULL,
    source text NOT NULL,
    body text NOT NULL,
    reason text NOT NULL,
    sqlstate text NOT NULL,
    times integer NOT NULL DEFAULT 1,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dead_letter_kind CHECK (kind IN ('event', 'output', 'result'))
);

-- What a node cannot store at present, said by itself; empty where it stores everything.
ALTER TABLE worker ADD COLUMN refused text;

CREATE VIEW refusing_node AS
SELECT n.name, n.role, w.refused FROM worker AS w JOIN node AS n ON n.id = w.id WHERE w.refused <> '' AND n.is_live;

-- Stores what an execution printed or came to after all; why not. Events are replayed by the program.
CREATE FUNCTION replay_dead_letter(kind text, body jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    target bigint := body ->> 'execution';
    present integer := body ->> 'attempt';
BEGIN
    IF kind = 'output' THEN
        INSERT INTO execution_output (execution, attempt, number, stream, text)
        SELECT id, attempt, (body ->> 'number')::integer, body ->> 'stream', body ->> 'text'
        FROM execution WHERE id = target AND attempt = present;
    ELSE
        UPDATE execution SET result = body -> 'result', reason = nullif(left(body ->> 'reason', 4000), '')
        WHERE id = target AND attempt = present AND finished_at IS NOT NULL;
    END IF;
    RETURN CASE WHEN NOT FOUND THEN 'its execution is gone, or was run again' END;
END;
$$;

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT p.role, p.privileges
        FROM (VALUES ('attune_admin', 'SELECT, UPDATE, DELETE'), ('attune_node', 'INSERT')) AS p (role, privileges)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON dead_letter TO %I', permitted.privileges, permitted.role);
            EXECUTE format('GRANT SELECT ON refusing_node TO %I', permitted.role);
            EXECUTE format('GRANT USAGE ON SEQUENCE dead_letter_id_seq TO %I', permitted.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
