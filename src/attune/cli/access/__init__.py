"""Commands on tokens."""
