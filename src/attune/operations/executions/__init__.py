"""Having actions run."""
