"""`RuntimeStore`, and so `RuntimeCatalog`: one suite for memory and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from attune.core.errors import UsageError
from factories import make_runtime

pytestmark = pytest.mark.anyio


async def test_what_was_saved_is_listed_by_ref(runtime_store: Any) -> None:
    await runtime_store.save_runtime(make_runtime("acme.b", "B"), changed_by="ann")
    await runtime_store.save_runtime(make_runtime("acme.a", "A", description="first"), changed_by="ann")

    listed = await runtime_store.list_runtimes()
    assert [(one.ref, one.name, one.description) for one in listed] == [("acme.a", "A", "first"), ("acme.b", "B", None)]
    assert listed[0].distributions == make_runtime().distributions


async def test_saving_says_whether_the_definition_is_new(runtime_store: Any) -> None:
    assert await runtime_store.save_runtime(make_runtime("acme.a", "A"), changed_by="ann") is True
    assert await runtime_store.save_runtime(make_runtime("acme.a", "B"), changed_by="ann") is False
    assert (await runtime_store.get_runtime("acme.a")).name == "B"


async def test_an_unknown_ref_is_none(runtime_store: Any) -> None:
    assert await runtime_store.get_runtime("acme.none") is None
    assert await runtime_store.remove_runtime("acme.none", changed_by="ann") is False


@pytest.mark.parametrize("distributions", [{}, [], "text", 3, {"a": {"b": [None, True, "é\U0001f600"]}}])
async def test_any_json_is_stored_as_it_is(
    runtime_store: Any, distributions: Any, request: pytest.FixtureRequest
) -> None:
    if "http" in request.node.callspec.params.values():
        pytest.skip("the API refuses what is no definition, which its own tests show")
    await runtime_store.save_runtime(make_runtime("acme.a", "<script>A</script>", distributions), changed_by="ann")

    stored = await runtime_store.get_runtime("acme.a")
    assert (stored.name, stored.distributions) == ("<script>A</script>", distributions)


async def test_every_change_is_in_the_history_newest_first_with_who(runtime_store: Any) -> None:
    await runtime_store.save_runtime(make_runtime("acme.a", "A"), changed_by="ann")
    await runtime_store.save_runtime(make_runtime("acme.a", "B"), changed_by="bob")
    await runtime_store.remove_runtime("acme.a", changed_by="cid")

    changes = await runtime_store.runtime_history("acme.a")
    assert [(one.operation, one.changed_by) for one in changes] == [
        ("delete", "cid"),
        ("update", "bob"),
        ("insert", "ann"),
    ]
    assert (changes[1].old["name"], changes[1].new["name"]) == ("A", "B")
    assert (changes[0].new, changes[2].old) == (None, None)


async def test_saving_the_same_again_is_no_change(runtime_store: Any) -> None:
    for _ in range(2):
        await runtime_store.save_runtime(make_runtime("acme.a", "A"), changed_by="ann")

    assert len(await runtime_store.runtime_history("acme.a")) == 1


async def test_one_that_a_live_node_offers_is_removed_by_force_only(runtime_store_offered: Any) -> None:
    with pytest.raises(UsageError, match=r"acme.used is in use by worker w1"):
        await runtime_store_offered.remove_runtime("acme.used", changed_by="ann")

    assert await runtime_store_offered.remove_runtime("acme.used", changed_by="ann", force=True) is True


async def test_a_definition_in_use_is_not_removed_and_its_users_are_named(runtime_store_with_user: Any) -> None:
    with pytest.raises(UsageError, match=r"acme.used is in use by action acme.run"):
        await runtime_store_with_user.remove_runtime("acme.used", changed_by="ann")

    assert await runtime_store_with_user.get_runtime("acme.used") is not None
