"""Keeping true what a node has registered."""
