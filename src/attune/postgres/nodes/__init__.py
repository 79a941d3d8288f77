"""Nodes, what they offer, and what is asked of them."""
