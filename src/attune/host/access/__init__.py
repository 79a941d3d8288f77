"""The keys of this host."""
