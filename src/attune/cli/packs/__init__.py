"""Commands on packs."""
