-- Tokens that open the API. Only a digest is kept: a token is random enough that its SHA-256 cannot be searched for.
CREATE TABLE api_token (
    id bigserial PRIMARY KEY,
    name text NOT NULL CONSTRAINT api_token_name CHECK (name ~ '^\S(.*\S)?$' AND length(name) <= 100),
    digest bytea NOT NULL UNIQUE,
    scope text NOT NULL CONSTRAINT api_token_scope CHECK (scope IN ('read', 'operate', 'admin')),
    created timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires timestamptz,
    last_used timestamptz,
    revoked timestamptz
);
CREATE UNIQUE INDEX idx_api_token_live_name ON api_token (name) WHERE revoked IS NULL;

-- A login link: opens the page in the name of its token until it expires.
CREATE TABLE login_code (
    digest bytea PRIMARY KEY,
    token bigint NOT NULL REFERENCES api_token (id) ON DELETE CASCADE,
    expires timestamptz NOT NULL
);
CREATE TABLE login_session (
    digest bytea PRIMARY KEY,
    token bigint NOT NULL REFERENCES api_token (id) ON DELETE CASCADE,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL
);

-- Who changed what through the API, and who was refused.
CREATE TABLE audit (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    token bigint,
    actor text NOT NULL,
    client text,
    method text NOT NULL,
    path text NOT NULL,
    status integer NOT NULL,
    detail jsonb
);
CREATE INDEX idx_audit_at ON audit (at DESC);

CREATE FUNCTION notify_token_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.revoked IS DISTINCT FROM OLD.revoked THEN
        PERFORM pg_notify('attune_token', OLD.id::text);
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER notify_token_change AFTER UPDATE OR DELETE ON api_token
    FOR EACH ROW EXECUTE FUNCTION notify_token_change();

DO $rights$
DECLARE
    one text;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'attune_admin') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON api_token, login_code, login_session TO attune_admin;
        GRANT SELECT, INSERT ON audit TO attune_admin;
        FOREACH one IN ARRAY ARRAY['api_token_id_seq', 'audit_id_seq'] LOOP
            EXECUTE format('GRANT USAGE ON SEQUENCE %I TO attune_admin', one);
        END LOOP;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END;
$rights$;
