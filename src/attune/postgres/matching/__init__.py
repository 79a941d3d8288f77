"""The fleet for the matcher, and matching in SQL."""
