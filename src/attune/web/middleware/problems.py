"""What goes wrong, as `application/problem+json` (RFC 9457): for programs the same shape whatever it was."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from attune.core.documents import dotted
from attune.core.errors import (
    AttuneError,
    DatabaseError,
    DefinitionError,
    Fault,
    MissingKeyError,
    RequirementError,
    UsageError,
    legible,
    shown,
)
from attune.core.packs.pack import PackError

Record = TypeVar("Record")
MEDIA_TYPE = "application/problem+json"
_AS_LISTS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class FieldProblem(BaseModel):
    """One thing that is wrong with what was sent."""

    field: str = Field(examples=["distributions.verification.commands[0].binary"])
    expected: str = Field(examples=["a name or an absolute path"])
    got: str = Field(examples=["'bin/python3'"])


class ProblemDetails(BaseModel):
    """What every answer with a status of 400 and above holds."""

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no runtime core.rubi; did you mean core.ruby?"])
    hint: str | None = Field(default=None, description="What to do.", examples=["attune runtime list"])
    errors: list[FieldProblem] = []


class ProblemError(Exception):
    """Raised by a route: becomes the answer with *status*. *detail* is one sentence, *hint* what to do.

    *code* is that of the error behind it.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        hint: str | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        code: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.code = code

    def body(self) -> dict[str, Any]:
        """The answer as JSON."""
        details = ProblemDetails(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            hint=self.hint,
            errors=[
                FieldProblem(field=it.field or str(it.position or ""), expected=it.expected, got=it.got)
                for it in self.faults
            ],
        )
        return details.model_dump(exclude_none=True)

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body(), self.status, headers=self.headers, media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route can answer with, for its OpenAPI description."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in statuses
    }


def text_answer(description: str, media_type: str, example: str) -> dict[int | str, dict[str, Any]]:
    """An answer that is text of *media_type*, for the OpenAPI description of its route."""
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": description, "content": content}}


def problem_of(error: AttuneError, status: int | None = None) -> ProblemError:
    """How *error* is told to a program, by default with the status that its kind has."""
    if isinstance(error, DatabaseError):
        return ProblemError(503, str(error), headers={"Retry-After": "2"}, code=error.code)
    if isinstance(error, MissingKeyError):
        return ProblemError(503, str(error), hint=error.hint, code=error.code)
    if status is None:
        status = 422 if isinstance(error, DefinitionError | PackError | RequirementError | UsageError) else 500
    return ProblemError(status, str(error), hint=error.hint, faults=error.faults, code=error.code)


def existing(record: Record | None, sentence: str) -> Record:
    """*record*. Raises `ProblemError` 404 that says *sentence* where there is none."""
    if record is None:
        raise ProblemError(404, sentence)
    return record


@contextmanager
def usage_errors_as(status: int) -> Iterator[None]:
    """Have a `UsageError` of the block answered with *status*, with its hint."""
    try:
        yield
    except UsageError as error:
        raise problem_of(error, status) from None


def invalid(errors: Sequence[Any]) -> ProblemError:
    """The problem that pydantic found *errors*."""
    faults = [_fault_of(error) for error in errors[:50]]
    return ProblemError(422, "; ".join(map(str, faults[:3])), faults=faults)


def _fault_of(error: Mapping[str, Any]) -> Fault:
    """Where it is, as `body.terms[0]` without the `body` unless that is all; what is expected there, and what is."""
    location = error["loc"]
    message = str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    known = {"missing": "a value", "extra_forbidden": "no field of this name"}
    expected = known.get(error["type"], message[:1].lower() + message[1:])
    got = "nothing" if error["type"] == "missing" else shown(error.get("input"))
    path = legible(dotted("", location[1:] if len(location) > 1 else location))
    return Fault(path, expected, legible(error.get("ctx", {}).get("got") or got))


Page = Callable[[Request, ProblemError], Response]


def answer_with_problems(app: FastAPI, page: Page) -> None:
    """Have *app* tell every error as a problem; to a person who looks at a page, as *page* makes one of it."""

    def answer(request: Request, problem: ProblemError) -> Response:
        request.state.problem = problem.code
        by_browser = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api")
        return page(request, problem) if by_browser else problem.response()

    @app.exception_handler(ProblemError)
    @app.exception_handler(AttuneError)
    async def ours(request: Request, error: ProblemError | AttuneError) -> Response:
        return answer(request, problem_of(error) if isinstance(error, AttuneError) else error)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        detail = str(error.detail)
        if error.status_code == 404 and detail == "Not Found":
            detail = "there is nothing at this path; /api/docs lists what there is"
        return answer(request, ProblemError(error.status_code, detail, headers=error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def misfit(request: Request, error: RequestValidationError) -> Response:
        for fault in error.errors():
            if fault["type"] == "json_invalid":
                reason = fault.get("ctx", {}).get("error", "it cannot be read")
                sentence = f"body: expected JSON, got a fault at offset {fault['loc'][-1]}: {reason}"
                return ProblemError(400, sentence).response()
        return answer(request, invalid(error.errors()))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        return answer(request, ProblemError(500, f"an error of Attune's own: {type(error).__name__}; its log has more"))


def json_fault(body: bytes, *, deepest: int = 100) -> str | None:
    """Why *body* cannot be taken although it may be JSON: too deep, or text that PostgreSQL cannot hold."""
    if body.count(b"[") + body.count(b"{") > deepest and _is_deeper(body, deepest):
        return f"expected JSON nested at most {deepest} deep, got it deeper"
    if b"\\u0000" in body or b"\\ud" in body.lower():
        try:
            text = json.dumps(json.loads(body), ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError:
            return "expected text without half of a surrogate pair, got one"
        except ValueError:
            return None
        if "\\u0000" in text.replace("\\\\", ""):
            return "expected text without the character U+0000, got one"
    return None


def _is_deeper(body: bytes, deepest: int) -> bool:
    """Whether the lists and objects of *body* are nested deeper than that: what is innermost goes, again and again."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # what is left of quotes begins and ends strings
    nested = b"".join(plain.split(b'"')[::2]).translate(_AS_LISTS, _NO_BRACKETS)
    for _ in range(deepest):
        outer = nested.replace(b"[]", b"")
        if len(outer) == len(nested):
            return outer.count(b"[") > deepest
        nested = outer
    return bool(nested)
