"""The history of the database's schema as numbered SQL (`sql/`), and what moves a database along it."""
