"""Packs, their rows and files."""
