"""Wiring: the only place that knows which implementation serves which port."""
