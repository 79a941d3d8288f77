"""Why no answer came, in one sentence with what to do."""

from __future__ import annotations

import os
import ssl
from socket import gaierror

import httpx

from attune.core.errors import ApiError, legible

_SEE = "see whether ATTUNE_URL is right, and whether the API is up: attune api start, or attune up"


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
    if isinstance(error, httpx.DecodingError):
        return ApiError(f"expected Attune's API at {url}, got what cannot be unpacked: {said}")
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
