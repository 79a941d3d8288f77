"""The queue engine, Procrastinate: what is known of its tables, and the taking of jobs."""
