"""Measurements of what Attune promises to be fast at: ratios against references that run here too, not timed tests."""
