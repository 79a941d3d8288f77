"""Actions as processes of this host."""
