"""Calls an API as its OpenAPI document says and as it says not to, and holds every answer to the document."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api_document import document, is_endless, operations

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# A stream answers until its reader goes, so that nothing here could wait for its end.
WALKED = [str(one) for one in operations() if not is_endless(one)]


def walk(
    label: str,
    address: str,
    token: str,
    known: dict[str, list[Any]],
    examples: int,
    seeded: Callable[[Any], Any] | None = None,
) -> None:
    """Call the operation *label* *examples* times: as documented, with values of *known* in its path, and wrongly.

    *seeded* is what `hypothesis.seed` gives; without it, the same requests are made each time.
    """
    schema = schemathesis.openapi.from_dict(_without_guards())
    operation = next(one for one in (found.ok() for found in schema.get_all_operations()) if one.label == label)
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    def found(case: Any, choice: random.Random) -> Any:
        for name in case.path_parameters or {}:
            if known.get(name):
                case.path_parameters[name] = choice.choice(known[name])
        return case

    cases = st.one_of(right, st.builds(found, right, st.randoms(use_true_random=False)), wrong)
    session = requests.Session()
    session.trust_env = False

    @settings(
        max_examples=examples,
        derandomize=seeded is None,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def calls(case: Any) -> None:
        case.call_and_validate(
            base_url=address,
            session=session,
            headers={"Authorization": f"Bearer {token}"},
            checks=CHECKS,
            timeout=120,  # ends what hangs
        )

    with session:
        (seeded(calls) if seeded else calls)()


def _without_guards() -> dict[str, Any]:
    """The document without what it says of tokens: one is always shown here, and others have tests of their own."""
    copy: dict[str, Any] = deepcopy(document())
    for path in copy["paths"].values():
        for said in path.values():
            said.pop("security", None)
    return copy
