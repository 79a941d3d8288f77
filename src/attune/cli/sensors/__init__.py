"""Commands on sensors."""
