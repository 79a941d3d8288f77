"""What Attune does, one verb a file: each takes ports, calls the core and returns values."""
