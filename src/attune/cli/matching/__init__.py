"""Commands on matching."""
