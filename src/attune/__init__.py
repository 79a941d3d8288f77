"""Attune knows what every machine of a fleet can really run, and proves it."""
