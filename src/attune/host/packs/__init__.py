"""Pack folders that people write, and the copies of packs that nodes run."""
