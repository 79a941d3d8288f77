"""Definitions and their history."""
