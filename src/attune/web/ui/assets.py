"""Styles and modules, under addresses that hold a digest of their content, so that a browser may keep them for ever."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Response

from attune.web.middleware.problems import ProblemError

router = APIRouter(include_in_schema=False)
_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((_FOLDER / name).read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a file of the folder `static`."""
    return f"/static/{_digest(name)}/{name}"


@router.get("/static/{digest}/{name}")
def get_asset(digest: str, name: str) -> Response:
    """A file of the folder `static`."""
    path = _FOLDER / name
    if path.parent != _FOLDER or path.suffix not in _TYPES or not path.is_file():
        raise ProblemError(404, "there is no such file")
    lasts = "public, max-age=31536000, immutable" if digest == _digest(name) else "no-cache"
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers={"Cache-Control": lasts})


@router.get("/favicon.ico")
def get_icon() -> Response:
    """The icon of the page."""
    return get_asset(_digest("icon.svg"), "icon.svg")
