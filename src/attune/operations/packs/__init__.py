"""What is done with packs."""
