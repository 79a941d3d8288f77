"""Commands on actions and executions."""
