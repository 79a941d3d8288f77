"""What an answer that is no success means, as the errors that the database's stores raise too."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from attune.core.errors import ApiError, AttuneError, Fault, UsageError, legible

_LINE = 2000


def refusal_of(status: int, problem: Mapping[str, Any], url: str) -> AttuneError:
    """The error that *problem*, the body of an answer with *status* from *url*, tells of."""
    sentence = _line(problem.get("detail") or problem.get("title") or f"HTTP {status}")
    hint = _line(problem["hint"]) if problem.get("hint") else None
    if status == 401:
        return ApiError(
            f"the API at {url} does not know ATTUNE_TOKEN: {sentence}",
            hint="a new one, on a machine with access to the database: attune token create NAME --scope operate",
        )
    if status == 403:
        hint = hint or "attune token create NAME --scope admin"
        return ApiError(f"ATTUNE_TOKEN does not open this: {sentence}", hint=hint)
    if status == 429:
        return ApiError(f"the API at {url} asks to slow down: {sentence}", hint=hint or "try again in a minute")
    if status >= 500:
        return ApiError(f"the API at {url} cannot answer now: {sentence}", hint=hint)
    return UsageError(sentence, faults=_faults(problem.get("errors")), hint=hint)


def _faults(errors: object) -> list[Fault]:
    """The fields that the API found fault with."""
    entries = [entry for entry in errors if isinstance(entry, Mapping)] if isinstance(errors, list) else []
    return [Fault(_line(it.get("field")), _line(it.get("expected")), _line(it.get("got"))) for it in entries]


def _line(text: object) -> str:
    return legible(str(text), _LINE)


def stranger(status: int, kind: str, body: bytes, url: str) -> ApiError:
    """The error for an answer that is not Attune's: a proxy's, or another program's."""
    what = legible(kind.partition(";")[0].strip(), 60) or "no content type"
    begins = legible(body[:120].decode("utf-8", "replace").strip(), 80)
    shown = f", which begins '{begins}'" if begins else ""
    name = next((known.phrase for known in HTTPStatus if known == status), "")
    answered = f"{status} {name}".strip()
    if status in (502, 503, 504):
        return ApiError(
            f"something between here and Attune answered {answered} for {url} ({what}{shown})",
            hint="see whether Attune's API is up: attune api start, or attune up",
        )
    return ApiError(
        f"expected Attune's API at {url}, got {answered} ({what}{shown})",
        hint="ATTUNE_URL is the address that `attune up` prints, without the path of a page",
    )
