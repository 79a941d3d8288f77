"""What is asked of a node, and how the node reads it."""

from __future__ import annotations

from attune.core.nodes.requests import check_body, checked_runtime
from attune.core.runtimes.runtime import Runtime
from factories import make_runtime


def test_a_definition_is_sent_and_read_as_it_is() -> None:
    runtime = make_runtime()

    assert checked_runtime(check_body(runtime)) == Runtime(runtime.ref, runtime.name, runtime.distributions)


def test_a_malformed_request_gives_a_definition_without_content() -> None:
    assert checked_runtime({"name": 5}) == Runtime("", "5", None)
