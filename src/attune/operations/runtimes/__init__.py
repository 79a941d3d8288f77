"""Examining a host, deciding what it offers, and verifying it again."""
