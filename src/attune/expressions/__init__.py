"""Expressions of rules, evaluated by the Common Expression Language in a process that may die of them."""

from attune.expressions.isolated import IsolatedExpressions

__all__ = ["IsolatedExpressions"]
