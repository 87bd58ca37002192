# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document of a service, made from its own routes.

Every route of an application is in it: what is described here in more words, and what
is not by the pattern of its path. Bodies are read by our own strict readers; their shapes
are the models of those readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cleanroom.contract.types import RUN
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.wire_model import WireModel
from cleanroom.server.callers import Door
from cleanroom.server.http import head_of
from cleanroom.server.outcome import JSON

PLACE = "/v0/openapi.json"
_PARAMETER = re.compile(r"\{([a-z_]+)(?::path)?\}")
_HEXADECIMAL = "^[0-9a-f]{64}$"
_TEXT = {"type": "string"}
# What any place of ours may answer; a route's own good answer comes first.
_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "400": "Malformed, oversize, or no such form",
        "403": "A rule says no: unsigned, replayed, another's",
        "404": "No such place",
        "405": "No such method there",
        "408": "The head did not arrive in time",
        "422": "A signature or digest does not match",
        "429": "Too many requests",
        "500": "A mistake of the service",
        "503": "Not now: disk, quota, time, or not ready",
    }
)
_ERROR_SCHEMA: dict[str, JSONValue] = {
    "type": "object",
    "required": ["error", "refusal"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["class", "code", "message", "hint"],
            "additionalProperties": False,
            "properties": {
                "class": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"},
                "code": {"type": "string", "pattern": r"^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$"},
                "message": _TEXT,
                "hint": _TEXT,
            },
        },
        "refusal": {"type": ["object", "null"], "description": "A signed refusal: DSSE"},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What one route takes and gives.

    Attributes:
        summary: One line.
        body: Media type and shape of what is sent, no shape for bytes; absent for nothing.
        answer: Media type of a good answer.
        shape: Of a good answer in JSON; absent for bytes and for any object.
        open: Whether anybody may ask, without a signature.
    """

    summary: str
    body: tuple[str, type[WireModel] | None] | None = None
    answer: str = JSON
    shape: type[WireModel] | None = None
    open: bool = False


PARAMETERS: Mapping[str, Mapping[str, JSONValue]] = MappingProxyType(
    {
        "written": {"type": "string", "pattern": _HEXADECIMAL},
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"},
        "since": {"type": "string", "pattern": "^[0-9]{1,15}$"},
        "run": {"type": "string", "pattern": f"^{RUN}$"},
        "start": {"type": "integer", "minimum": 0},
        "lineage": {"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,31}\.[a-z][a-z0-9_]{0,62}$"},
    }
)
COMMON: Mapping[tuple[str, str], Described] = MappingProxyType(
    {
        ("GET", "/v0/live"): Described(summary="The process answers", open=True),
        ("GET", "/v0/ready"): Described(summary="It can do its work now", open=True),
        ("GET", PLACE): Described(summary="This document", open=True),
    }
)


def add_document(
    app: FastAPI, *, door: Door, described: Mapping[tuple[str, str], Described]
) -> None:
    """Let an application tell what it answers, to anybody.

    Args:
        app: With all of its other routes.
        door: Counts whoever asks.
        described: More words about its routes, by method and pattern.
    """

    @app.get(PLACE)
    def document(request: Request) -> Response:
        door.admit_reader(head_of(request))
        return Response(canonical_json(openapi_of(app, described)), media_type=JSON)


def openapi_of(
    app: FastAPI, described: Mapping[tuple[str, str], Described]
) -> dict[str, JSONValue]:
    """Return the document of an application, the same for the same routes."""
    paths: dict[str, JSONValue] = {}
    shapes = _Shapes()
    known = {**COMMON, **described}
    for route in sorted(_routes(app), key=lambda item: item.path):
        place = _PARAMETER.sub(r"{\1}", route.path)
        operations = {
            method.lower(): _operation(
                route.path,
                method,
                known.get((method, route.path), Described(summary=route.name)),
                shapes=shapes,
            )
            for method in sorted(route.methods or ())
        }
        there = paths.get(place)
        paths[place] = {**(there if isinstance(there, dict) else {}), **operations}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": app.title,
            "version": "v0",
            "description": "Signed requests: docs/protocol/request-signature.md",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR_SCHEMA, **dict(sorted(shapes.found.items()))},
            "securitySchemes": {
                "request-key": {"type": "apiKey", "in": "header", "name": "signature"}
            },
        },
    }


def _routes(app: FastAPI) -> Iterator[APIRoute]:
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield route


class _Shapes:
    """Schemas of models, each once."""

    def __init__(self) -> None:
        self.found: dict[str, JSONValue] = {}

    def of(self, shape: type[WireModel] | None, *, media: str) -> JSONValue:
        if shape is None:
            return {"type": "object"} if media == JSON else {"type": "string", "format": "binary"}
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        self.found |= schema.pop("$defs", {})
        self.found[shape.__name__] = schema
        return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _operation(path: str, method: str, said: Described, *, shapes: _Shapes) -> dict[str, JSONValue]:
    words = re.findall(r"[a-z]+", path.removeprefix("/v0/"))
    found: dict[str, JSONValue] = {
        "operationId": "-".join([method.lower(), *words]),
        "summary": said.summary,
        "parameters": [_parameter(name) for name in _PARAMETER.findall(path)],
        "responses": _responses(said, shapes),
        "security": [] if said.open else [{"request-key": []}, {}],
    }
    if said.body is not None:
        media, shape = said.body
        schema = shapes.of(shape, media=media)
        found["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
    return found


def _responses(said: Described, shapes: _Shapes) -> dict[str, JSONValue]:
    schema = shapes.of(said.shape, media=said.answer)
    good: dict[str, JSONValue] = {
        "description": "Done",
        "content": {said.answer: {"schema": schema}},
    }
    error: JSONValue = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": good,
        **{status: {"description": text, "content": error} for status, text in _ERRORS.items()},
    }


def _parameter(name: str) -> dict[str, JSONValue]:
    schema = dict(PARAMETERS.get(name, {"type": "string", "minLength": 1}))
    return {"name": name, "in": "path", "required": True, "schema": schema}
