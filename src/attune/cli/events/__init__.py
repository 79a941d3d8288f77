"""Commands on triggers, rules and events."""
