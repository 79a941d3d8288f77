"""The work queue: the only part that knows Procrastinate."""
