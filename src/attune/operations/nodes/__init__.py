"""Asking running nodes."""
