"""A session on the database itself."""
