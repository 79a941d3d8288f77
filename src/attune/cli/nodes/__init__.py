"""Commands on workers and sensor nodes."""
