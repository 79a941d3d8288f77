"""The queue engine, Procrastinate, behind the port `core/work_queue.py`."""
