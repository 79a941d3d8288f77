"""Placing work on a fleet."""
