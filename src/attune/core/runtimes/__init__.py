"""Definitions of runtimes, what verifies them, versions and constraints, and the verdicts."""
