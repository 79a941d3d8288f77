"""Greets somebody."""

from attune_action import parameters, result

result({"said": f"Hello, {parameters()['who']}!"})
