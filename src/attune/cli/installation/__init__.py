"""Commands on this installation: its database, its API, its state."""
