"""Sensors: which node runs which, their output, and the built-in ones."""
