"""Packs: their documents, files and references."""
