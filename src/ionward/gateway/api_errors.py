"""Errors of the HTTP API as one clear sentence in JSON."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ionward.errors import UserError

log = logging.getLogger(__name__)

STANDARD = {404: "there is nothing at {path}; {base}/ lists what there is", 405: "{path} does not take {method}"}


def handle_errors(app: FastAPI) -> None:
    """Answer every error of this application as `{"detail": sentence}`."""

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400 and "parsing the body" in str(error.detail):
            return invalid_response(request, "the body cannot be read as JSON")
        return problem(error.status_code, _sentence_of(request, error), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return invalid_response(request, invalid_sentence(list(error.errors())))

    @app.exception_handler(UserError)
    async def user(request: Request, error: UserError) -> JSONResponse:
        return problem(422, "; ".join(error.problems))

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> JSONResponse:
        log.exception("a request for %s failed", request.url.path)
        return problem(500, "the server made a mistake; its log says which")


def invalid_response(request: Request, sentence: str) -> JSONResponse:
    """What is wrong with a request; for a command also as its answer."""
    extra = {"accepted": False, "reason": sentence} if request.url.path.endswith("/commands") else {}
    return JSONResponse({"detail": sentence} | extra, 422)


def problem(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as the API tells it."""
    return JSONResponse({"detail": sentence}, status, headers=dict(headers) if headers else None)


def _sentence_of(request: Request, error: HTTPException) -> str:
    plain = {404: "Not Found", 405: "Method Not Allowed"}.get(error.status_code)
    if error.detail and error.detail != plain:
        return str(error.detail)
    path = "".join(c if c.isprintable() else "?" for c in request.url.path[:100])
    base = request.scope.get("root_path") or "/api/v1"
    return STANDARD.get(error.status_code, "{path}: this cannot be answered").format(
        path=path, method=request.method, base=base
    )


def invalid_sentence(errors: list[Mapping[str, Any]]) -> str:
    """What is wrong with parameters or body, in one sentence."""
    said = [_one(error) for error in errors[:3]]
    return "; ".join(dict.fromkeys(said))


def _one(error: Mapping[str, Any]) -> str:
    # Branches of a union ("int or text") are told as one; where is the part of the path that a person wrote.
    where = ".".join(str(part) for part in error["loc"][1:] if str(part).isidentifier() or isinstance(part, int))
    where = where.partition(".constrained")[0].partition(".function")[0]
    kind, given = error["type"], _shown(error.get("input"))
    allowed = error.get("ctx", {}).get("expected", "")
    if kind == "json_invalid":
        return f"the body is no JSON: {error.get('ctx', {}).get('error', 'it cannot be read')}"
    if not where:
        return 'the body must be a JSON object such as {"command": "connect"}, sent as application/json'
    if kind == "missing":
        return f"{where} is missing"
    if kind == "extra_forbidden":
        return f"{where} is not known here; leave it out"
    if kind == "literal_error":
        word = "command" if where == "command" else where
        return f"unknown {word} {given}; allowed: {allowed.replace(chr(39), '').replace(' or ', ', ')}"
    return f"{where} {given}: {str(error['msg'])[:1].lower()}{str(error['msg'])[1:]}"


def _shown(value: Any) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"
