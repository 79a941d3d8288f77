"""Sensors as processes of this host, and the files that they print into."""
