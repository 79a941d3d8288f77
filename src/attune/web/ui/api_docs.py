"""The API's documentation as a page: made of the OpenAPI document, with nothing from elsewhere."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attune.web.ui.pages import page

router = APIRouter(include_in_schema=False)


@router.get("/api/docs")
async def api_docs_page(request: Request) -> Response:
    """Every route by tag, with its parameters, an example of its body and its answers."""
    document = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, said in operations.items():
            groups.setdefault((said.get("tags") or ["other"])[0], []).append(
                {"method": method.upper(), "path": path, "said": said, "body": _example(document, said)}
            )
    return page(request, "api_docs.html", groups=groups)


def _example(document: dict[str, Any], said: dict[str, Any]) -> str | None:
    """A body that the route takes, made of the examples of its fields."""
    contents: list[dict[str, Any]] = list(said.get("requestBody", {}).get("content", {}).values())
    reference: str = contents[0].get("schema", {}).get("$ref", "") if contents else ""
    name = reference.rpartition("/")[2]
    fields = document["components"]["schemas"].get(name, {}).get("properties", {})
    example = {key: value["examples"][0] for key, value in fields.items() if value.get("examples")}
    return json.dumps(example, indent=2, ensure_ascii=False) if example else None
