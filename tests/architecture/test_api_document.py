"""Every route says what it does: held to the OpenAPI document, so that a new route cannot be silent."""

from __future__ import annotations

from typing import Any

import pytest

from api_document import Operation, document, is_endless, operations, resolved

PROBLEM = "application/problem+json"
OPEN = {"GET /healthz", "GET /readyz"}  # for load balancers, which have no token
OPERATIONS = operations()
# Clients are generated from these names: a change of one breaks them.
NAMES = {
    "GET /healthz": "get_health",
    "GET /readyz": "get_readiness",
    "GET /metrics": "get_metrics",
    "GET /api/pauses": "list_pauses",
    "POST /api/pauses": "create_pause",
    "DELETE /api/pauses": "delete_pause",
    "GET /api/runtimes": "list_runtimes",
    "POST /api/runtimes": "create_runtime",
    "GET /api/runtimes/{ref}": "get_runtime",
    "PUT /api/runtimes/{ref}": "replace_runtime",
    "PATCH /api/runtimes/{ref}": "update_runtime",
    "DELETE /api/runtimes/{ref}": "delete_runtime",
    "POST /api/runtimes/validate": "validate_runtime",
    "GET /api/runtimes/{ref}/history": "get_runtime_history",
    "GET /api/runtimes/{ref}/coverage": "get_runtime_coverage",
    "POST /api/runtimes/check": "check_runtime",
    "POST /api/runtimes/preview": "preview_runtime",
    "GET /api/workers": "list_workers",
    "GET /api/workers/{node_id}": "get_worker",
    "DELETE /api/workers/{node_id}": "delete_worker",
    "GET /api/workers/{node_id}/capabilities": "get_worker_capabilities",
    "GET /api/workers/{node_id}/transitions": "list_worker_transitions",
    "POST /api/workers/{node_id}/drain": "drain_worker",
    "POST /api/workers/{node_id}/resume": "resume_worker",
    "POST /api/workers/{node_id}/reload": "reload_worker",
    "GET /api/sensors": "list_sensors",
    "GET /api/sensors/{node_id}": "get_sensor",
    "DELETE /api/sensors/{node_id}": "delete_sensor",
    "GET /api/sensors/{node_id}/capabilities": "get_sensor_capabilities",
    "GET /api/sensors/{node_id}/transitions": "list_sensor_transitions",
    "POST /api/sensors/{node_id}/drain": "drain_sensor",
    "POST /api/sensors/{node_id}/resume": "resume_sensor",
    "POST /api/sensors/{node_id}/reload": "reload_sensor",
    "GET /api/transitions": "list_transitions",
    "POST /api/match": "match_nodes",
    "GET /api/actions": "list_actions",
    "GET /api/actions/{ref}": "get_action",
    "POST /api/actions/{ref}/run": "run_action",
    "GET /api/executions": "list_executions",
    "GET /api/executions/{execution_id}": "get_execution",
    "GET /api/executions/{execution_id}/output": "get_execution_output",
    "GET /api/executions/{execution_id}/explanation": "get_execution_explanation",
    "POST /api/executions/cancel": "cancel_executions",
    "POST /api/executions/{execution_id}/cancel": "cancel_execution",
    "POST /api/executions/{execution_id}/retry": "retry_execution",
    "GET /api/packs": "list_packs",
    "GET /api/packs/{ref}": "get_pack",
    "POST /api/packs": "load_pack",
    "DELETE /api/packs/{ref}": "remove_pack",
    "GET /api/sensor-definitions": "list_sensor_definitions",
    "PATCH /api/sensor-definitions/{ref}": "switch_sensor",
    "POST /api/sensor-definitions/{ref}/move": "move_sensor",
    "GET /api/triggers": "list_triggers",
    "GET /api/rules": "list_rules",
    "PATCH /api/rules/{ref}": "switch_rule",
    "GET /api/event-health": "get_event_health",
    "GET /api/events": "list_events",
    "POST /api/events": "create_event",
    "GET /api/events/{event_id}": "get_event",
    "GET /api/secrets": "list_secrets",
    "PUT /api/secrets/{name}": "set_secret",
    "DELETE /api/secrets/{name}": "remove_secret",
    "GET /api/dead-letters": "list_dead_letters",
    "POST /api/dead-letters/{letter_id}/replay": "replay_dead_letter",
    "DELETE /api/dead-letters/{letter_id}": "remove_dead_letter",
    "GET /api/me": "get_me",
    "GET /api/tokens": "list_tokens",
    "POST /api/tokens": "create_token",
    "DELETE /api/tokens/{token_id}": "revoke_token",
    "POST /api/tokens/{token_id}/link": "create_login_link",
    "GET /api/audit": "list_audit",
    "GET /api/stream": "stream_changes",
}


def each(chosen: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", chosen, ids=map(str, chosen))


@each(OPERATIONS)
def test_it_has_a_summary_a_description_and_a_tag(operation: Operation) -> None:
    for name in ("summary", "description", "operationId"):
        assert operation.said.get(name, "").strip(), f"{operation} has no {name}"
    assert operation.said.get("tags"), f"{operation} has no tag"


def test_each_operation_has_the_name_that_clients_call_it_by() -> None:
    assert {str(operation): operation.said["operationId"] for operation in OPERATIONS} == NAMES
    assert len(set(NAMES.values())) == len(NAMES)


@each(OPERATIONS)
def test_it_says_who_is_refused(operation: Operation) -> None:
    wanted = {"400", "414", "431"} | (set() if str(operation) in OPEN else {"401", "403"})
    if "{" in operation.path and operation.method != "PUT":  # which may make what is not there
        wanted.add("404")
    if operation.said.get("requestBody"):
        wanted |= {"413", "422"}

    assert wanted <= set(operation.answers), f"{operation} does not document {sorted(wanted - set(operation.answers))}"
    assert (str(operation) in OPEN) == (not operation.said.get("security"))


@each(OPERATIONS)
def test_every_refusal_is_a_problem(operation: Operation) -> None:
    for status, answer in operation.answers.items():
        if status >= "400":
            assert list(answer.get("content", {})) == [PROBLEM], f"{operation} {status}"
            assert answer["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}


@each([one for one in OPERATIONS if not is_endless(one)])
def test_every_success_has_a_model_with_an_example(operation: Operation) -> None:
    successes = {status: answer for status, answer in operation.answers.items() if status < "300"}
    assert successes
    for status, answer in successes.items():
        assert answer.get("description"), f"{operation} {status}"
        for kind, content in answer.get("content", {}).items():
            if kind.startswith("application/json"):
                assert has_example(content), f"{operation} {status} has no example"
                assert resolved(content["schema"]) not in ({}, None), f"{operation} {status} has no model"
        assert answer.get("content") or status in ("204", "304"), f"{operation} {status} says nothing of its body"


@each([one for one in OPERATIONS if one.said.get("requestBody")])
def test_every_body_has_an_example(operation: Operation) -> None:
    contents = operation.said["requestBody"]["content"]

    assert [kind for kind, content in contents.items() if not has_example(content)] == []


@each([one for one in OPERATIONS if one.said.get("parameters")])
def test_every_parameter_is_explained(operation: Operation) -> None:
    silent = [
        one["name"] for one in map(resolved, operation.said["parameters"]) if not one.get("description", "").strip()
    ]

    assert silent == [], f"{operation} does not explain {silent}"


def has_example(content: dict[str, Any], depth: int = 0) -> bool:
    """Whether *content* or every field of its schema has an example, a default or says itself what it may be."""
    if "example" in content or "examples" in content:
        return True
    return _shows("schema" in content and content["schema"], depth)


def _shows(schema: Any, depth: int) -> bool:
    schema = resolved(schema)
    if not isinstance(schema, dict) or depth > 6:
        return False
    if any(name in schema for name in ("example", "examples", "default", "enum", "const")):
        return True
    if schema.get("type") in ("boolean", "integer", "number", "null") or schema.get("format") == "date-time":
        return True
    options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if options:
        return any(_shows(one, depth + 1) for one in options if resolved(one).get("type") != "null")
    if schema.get("type") == "array":
        return _shows(schema.get("items"), depth + 1)
    properties = schema.get("properties")
    if properties:
        return all(_shows(one, depth + 1) for one in properties.values())
    return False


def test_the_document_says_how_to_show_a_token() -> None:
    schemes = document()["components"]["securitySchemes"]

    assert [(one["type"], one["scheme"]) for one in schemes.values()] == [("http", "bearer")]
