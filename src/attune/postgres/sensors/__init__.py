"""Sensors, their leases and their events."""
