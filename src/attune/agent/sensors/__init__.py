"""Running sensors on a node."""
