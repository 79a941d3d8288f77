"""What a token opens, and what is kept of it."""

from __future__ import annotations

from attune.core.access.tokens import Scope, csrf_of, digest_of


def test_a_wide_scope_holds_the_narrow_ones_and_no_narrow_one_holds_a_wide_one() -> None:
    assert [Scope.ADMIN.holds(one) for one in Scope] == [True] * len(Scope)
    assert [Scope.READ.holds(one) for one in Scope] == [one is Scope.READ for one in Scope]
    assert Scope.OPERATE.holds(Scope.OPERATE)


def test_the_secret_cannot_be_read_from_what_is_kept_or_shown() -> None:
    secret = "geheim\udcff"

    assert len(digest_of(secret)) == 32
    assert csrf_of(secret) != digest_of(secret).hex(), "the digest is what the database knows"
    assert csrf_of(secret) == csrf_of(secret) != csrf_of("another")
