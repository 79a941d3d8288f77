"""Actions, their executions, and one run of either as a process."""
