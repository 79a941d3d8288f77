"""What every request passes: limits, audit, metrics, problems."""
