"""The errors that Attune raises on purpose."""

from __future__ import annotations

from collections import Counter

from attune.core.errors import AttuneError
from attune.core.packs.pack import PackError
from attune.core.pattern import PatternError
from attune.expressions.isolated import ExpressionsUnavailableError


def kinds(root: type[AttuneError]) -> list[type[AttuneError]]:
    below = [kind for child in root.__subclasses__() for kind in kinds(child)]
    return below if root.__name__.startswith("_") else [root, *below]


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = Counter(kind.code for kind in kinds(AttuneError))

    assert {kind.code for kind in (PackError, PatternError, ExpressionsUnavailableError)} <= codes.keys()
    assert set(codes.values()) == {1}
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
