"""Expressions of rules, evaluated by the Common Expression Language in a process of their own."""

from attune.expressions.isolated import IsolatedExpressions

__all__ = ["IsolatedExpressions"]
