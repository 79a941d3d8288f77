"""docs/reference/api.md, made from the OpenAPI document: every route, what it takes, and a request to each resource."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

from fastapi.routing import APIRoute

from api_document import Operation, operations, resolved
from attune.web import access
from attune.web.api import system
from attune.web.app import API_ROUTERS

_PAGE = Path(__file__).with_name("api_page.md")
_SCOPES = [(access.Reader, "read"), (access.Operator, "operate"), (access.Admin, "admin")]
_ADDRESS = "http://127.0.0.1:8420"
_JSON = "-H 'Content-Type: application/json'"
# By the tag of the resource: method, path and what follows it on the command line. A test types all of them.
REQUESTS = {
    "system": ("GET", "/readyz", ""),
    "runtimes": ("PUT", "/api/runtimes/acme.ruby", ""),
    "workers": ("GET", "/api/workers?term=python%20%3E%3D3.9", " | jq '.data[].name'"),
    "sensors": ("GET", "/api/sensors?status=active", " | jq '.data[].name'"),
    "transitions": ("GET", "/api/transitions?limit=5", ""),
    "match": ("POST", "/api/match", " | jq .outcome"),
    "actions": ("POST", "/api/actions/demo.hello_python/run", " | jq .id"),
    "executions": ("GET", "/api/executions?status=completed&limit=5", " | jq '.data[].id'"),
    "packs": ("GET", "/api/packs/demo", " | jq .actions"),
    "events": ("POST", "/api/events", " | jq .id"),
    "access": ("GET", "/api/me", ""),
    "stream": ("GET", "/api/stream?kinds=transition", ""),
}


def api_reference() -> str:
    """The page."""
    parts = [_PAGE.read_text().rstrip(), ""]
    scopes = _scopes()
    by_tag: dict[str, list[Operation]] = {}
    for operation in operations():
        by_tag.setdefault(operation.said["tags"][0], []).append(operation)
    for tag, members in by_tag.items():
        parts += [f"## {tag}", "", *_routes(members, scopes), *_bodies(members), *_request(tag, members)]
    return "\n".join(parts).rstrip() + "\n"


def example_of(schema: Any) -> Any:
    """A value as the examples of *schema* have it."""
    schema = resolved(schema)
    if schema.get("examples"):
        return schema["examples"][0]
    for name in ("default", "const"):
        if name in schema:
            return schema[name]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("properties"):
        return {name: example_of(below) for name, below in schema["properties"].items()}
    options = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    simple = {"integer": 1, "number": 1.5, "boolean": False}
    return example_of(options[0]) if options else simple.get(schema.get("type"))


def _scopes() -> dict[str, str]:
    """What each route takes of a token, by operation id."""
    found = {}
    for route in [route for router in (system.router, *API_ROUTERS) for route in router.routes]:
        assert isinstance(route, APIRoute)
        hints = get_type_hints(route.endpoint, include_extras=True).values()
        found[route.name] = next((scope for kind, scope in _SCOPES if kind in hints), "none")
    return found


def _routes(members: list[Operation], scopes: dict[str, str]) -> Iterator[str]:
    yield "| route | scope | |\n|---|---|---|"
    for one in members:
        given = [resolved(each) for each in one.said.get("parameters", ())]
        queries = [f"`{each['name']}`" for each in given if each["in"] == "query"]
        takes = f" ({', '.join(queries)})" if queries else ""
        told = " ".join(f"{one.said['summary']}. {one.said['description']}".split()).replace("|", "\\|")
        yield f"| `{one}`{takes} | {scopes[one.said['operationId']]} | {told} |"
    yield ""


def _bodies(members: list[Operation]) -> Iterator[str]:
    for one in members:
        if body := _body(one):
            yield f"`{one}` takes\n\n```json\n{_written(body)}\n```\n"


def _written(body: Any) -> str:
    line = json.dumps(body, ensure_ascii=False)
    return line if len(line) < 120 else json.dumps(body, indent=2, ensure_ascii=False)


def _body(operation: Operation) -> Any:
    contents = operation.said.get("requestBody", {}).get("content", {})
    return next((example_of(content["schema"]) for kind, content in contents.items() if "json" in kind), None)


def _request(tag: str, members: list[Operation]) -> Iterator[str]:
    method, path, more = REQUESTS[tag]
    route = next(one for one in members if _leads_to(one, method, path))
    body = _body(route)
    data = f" \\\n    {_JSON} \\\n    -d '{json.dumps(_sent(tag, body), ensure_ascii=False)}'" if body else ""
    verb = "" if method == "GET" else f" -X {method}"
    token = "" if tag == "system" else ' -H "Authorization: Bearer $TOKEN"'
    if tag == "stream":
        yield f"```console\n$ curl -sN --max-time 2{token} '{_ADDRESS}{path}' || true\n```\n"
        return
    yield f"```console\n$ curl -sf{verb}{token}{data} \\\n    '{_ADDRESS}{path}'{more}\n```\n"


def _leads_to(operation: Operation, method: str, path: str) -> bool:
    parts, there = operation.path.split("/"), path.partition("?")[0].split("/")
    fits = len(parts) == len(there) and all(a == b or a.startswith("{") for a, b in zip(parts, there, strict=True))
    return operation.method == method and fits


def _sent(tag: str, body: Any) -> Any:
    """What the request to the resource *tag* sends: the example, but for what takes a fleet."""
    return {"parameters": {"name": "world"}} if tag == "actions" else body
