"""The queue engine, Procrastinate, behind the port `core/executions/queue.py`."""
