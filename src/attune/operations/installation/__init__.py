"""What Attune does with an installation."""
