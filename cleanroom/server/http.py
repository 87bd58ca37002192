# SPDX-License-Identifier: Apache-2.0
"""What every service here does alike: what it takes from a request, how it answers an error."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from cleanroom.contract.broker_answer import encode_failure
from cleanroom.errors import CleanroomError, MalformedError
from cleanroom.server.callers import RequestHead
from cleanroom.server.outcome import JSON, broken, status_of


def head_of(request: Request) -> RequestHead:
    """Return what arrived before the body, exactly as it was sent."""
    scope = request.scope
    return RequestHead(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        fields=[
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ],
        peer=request.client.host if request.client else "local",
    )


def observed(scope: Scope, error: CleanroomError) -> None:
    """Tell whoever watches the application of the error with which a request ends."""
    observer = getattr(scope["app"].state, "observer", None)
    if observer is not None:
        observer.noted(scope, error)


def answer_errors(app: FastAPI) -> None:
    """Let an application answer every error in the one form, and nothing in another's words."""
    app.add_exception_handler(CleanroomError, _answer_ours)
    app.add_exception_handler(RequestValidationError, answer_strange)
    app.add_exception_handler(HTTPException, answer_strange)
    app.add_exception_handler(Exception, _answer_broken)


def answer_strange(request: Request, error: Exception) -> Response:
    """Answer what no place is for; the framework's own answers quote what they were sent."""
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
    told = MalformedError("request: no such place or method", code="broker.request")
    observed(request.scope, told)
    return Response(encode_failure(told, refusal=None), status_code=status, media_type=JSON)


def _answer_ours(request: Request, error: Exception) -> Response:
    told = cast("CleanroomError", error)  # registered for this class alone
    observed(request.scope, told)
    body = encode_failure(told, refusal=None)
    return Response(body, status_code=status_of(told), media_type=JSON)


def _answer_broken(request: Request, _error: Exception) -> Response:
    # A mistake of ours: the exception is not looked at, because others' words are in it.
    return _answer_ours(request, broken())
