"""Which binary a version manager's command runs."""
