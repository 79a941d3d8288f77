"""How hard the tests try: a fifth of the examples, always the same, in `make test`; all of them, new ones, in soak.

`conftest.py` loads the first; `pytest --hypothesis-profile=soak` the second, before test modules are imported.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FULL = 100
_CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
settings.register_profile(
    "soak", max_examples=FULL, deadline=None, suppress_health_check=_CHECKS, print_blob=True, database=None
)
settings.register_profile(
    "test", max_examples=FULL // 5, deadline=None, suppress_health_check=_CHECKS, derandomize=True, database=None
)


def share(count: int) -> int:
    """As many of *count* as this run tries; at least one."""
    return max(1, count * settings.default.max_examples // FULL)


def is_soak() -> bool:
    """Whether this run tries all."""
    return settings.default.max_examples >= FULL
