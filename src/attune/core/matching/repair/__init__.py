"""The smallest changes that would make work placeable."""
