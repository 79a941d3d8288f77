"""Everything that speaks SQL: connections, the embedded server, repositories and migrations."""
