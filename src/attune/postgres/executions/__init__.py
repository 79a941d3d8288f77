"""Actions, executions, and the routing of executions to queues."""
