"""PostgreSQL: the only package with SQL, and the embedded server that runs when no other is configured."""
