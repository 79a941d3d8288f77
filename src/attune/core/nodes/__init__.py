"""What a node is: its role, what it offers, its labels, its health, and what is asked of it."""
