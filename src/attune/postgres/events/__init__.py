"""Triggers, rules, events and enforcements."""
