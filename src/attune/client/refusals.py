"""Why no answer came and what one that is no success means, as the errors that the database's stores raise too."""

import os
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from socket import gaierror
from typing import Any

import httpx

from attune.core.errors import ApiError, AttuneError, Fault, UsageError, legible

_SEE = "see whether ATTUNE_URL is right, and whether the API is up: attune api start, or attune up"
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
    if status == 413:
        hint = "the API takes no more; run it where database.url is set"
    if status >= 500:
        return ApiError(f"the API at {url} cannot answer now: {sentence}", hint=hint)
    errors = problem["errors"] if isinstance(problem.get("errors"), list) else []
    entries = [entry for entry in errors if isinstance(entry, Mapping)]
    faults = [Fault(_line(it.get("field")), _line(it.get("expected")), _line(it.get("got"))) for it in entries]
    return UsageError(sentence, faults=faults, hint=hint)


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


def unreachable(url: str, error: Exception) -> ApiError:
    """The error for *error*, which ended a request to *url*."""
    said = _cause(error)
    if "certificate verify failed" in said:
        reason = said.partition("certificate verify failed:")[2].partition("(_ssl")[0].strip() or said
        hint = "for a CA of your own: SSL_CERT_FILE=/path/ca.pem"
        return ApiError(f"the certificate of {url} is not trusted: {reason}", hint=hint)
    if "SSL" in said:
        hint = "where it does not speak TLS: ATTUNE_URL=http://…"
        return ApiError(f"{url} does not speak TLS as expected: {said}", hint=hint)
    if isinstance(error, httpx.ConnectTimeout):
        return ApiError(f"cannot reach the API at {url}: it does not answer", hint=_SEE)
    if isinstance(error, httpx.TimeoutException):
        return ApiError(f"the API at {url} did not answer in time", hint="try again; its log may say more")
    if isinstance(error, httpx.RemoteProtocolError):
        return ApiError(
            f"expected Attune's API at {url}, which broke off: {said}", hint="ATTUNE_URL=https://… where it speaks TLS"
        )
    return ApiError(f"cannot reach the API at {url}: {said}", hint=_SEE)


def _cause(error: BaseException) -> str:
    """What the system said first, else what *error* says."""
    said = str(error) or type(error).__name__
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLError):
            said = str(below)
        elif isinstance(below, gaierror):
            said = below.strerror or said
        elif isinstance(below, OSError) and below.errno:
            said = os.strerror(below.errno)
        below = below.__cause__ or below.__context__
    return legible(said)
