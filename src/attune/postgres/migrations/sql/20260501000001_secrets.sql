-- Named secrets, encrypted outside the database; the ciphertext holds the id of its key and is bound to the name.
CREATE TABLE secret (
    name text PRIMARY KEY CONSTRAINT secret_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    value text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL
);

-- Parameters that the action marks secret: ciphertexts by name, each bound to the execution. Rows of earlier versions
-- have them in `config`.
ALTER TABLE execution ADD COLUMN sealed jsonb;

DO $rights$
DECLARE
    permitted record;
BEGIN
    FOR permitted IN
        SELECT * FROM (VALUES ('attune_admin', 'SELECT, INSERT, UPDATE, DELETE'), ('attune_node', 'SELECT'))
            AS p (role, privileges)
        WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = p.role)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON secret TO %I', permitted.privileges, permitted.role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END;
$rights$;
