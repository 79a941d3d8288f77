-- What an action needs besides its runtime: terms, as in docs/reference/requirements.md.
ALTER TABLE action ADD COLUMN IF NOT EXISTS requires jsonb NOT NULL DEFAULT '[]'::jsonb;
ALTER TABLE action ADD COLUMN IF NOT EXISTS runtime_version_constraint text;
ALTER TABLE action ADD CONSTRAINT action_requires_list CHECK (jsonb_typeof(requires) = 'array');
