"""Triggers, rules and the expressions in them."""
