"""The stores of an installation over its HTTP API: what commands use where there is no way to the database."""
