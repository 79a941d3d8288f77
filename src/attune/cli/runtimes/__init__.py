"""Commands on definitions, and detection on this host."""
