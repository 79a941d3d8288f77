"""Queries that only feed pages, graphs and lists."""
