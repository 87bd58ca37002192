# SPDX-License-Identifier: Apache-2.0
"""Read a signed document into its wire model, or say which clause is wrong and how.

Messages name the document, the clause, the kind of thing that was found and
what was agreed. They never quote a value, because a document can hold a
parameter that somebody asked about.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from cleanroom.contract import types
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_PARAMETER_VALUES, MAX_SAFE_INTEGER, MAX_TEXT
from cleanroom.kernel.strict_toml import parse_toml
from cleanroom.kernel.wire_model import WireModel

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Model = TypeVar("Model", bound=WireModel)
Document = TypeVar("Document")

Name = Annotated[str, Field(pattern=f"^{types.NAME}$")]
Lineage = Annotated[str, Field(pattern=f"^{types.LINEAGE}$")]
ColumnName = Annotated[str, Field(pattern=f"^{types.COLUMN}$")]
ColumnReference = Annotated[str, Field(pattern=f"^{types.COLUMN_REFERENCE}$")]
Namespace = Annotated[str, Field(pattern=f"^{types.NAMESPACE}$")]
Type = Annotated[str, Field(pattern=f"^(?:{types.COLUMN_TYPE})$")]
Ratio = Annotated[str, Field(pattern=f"^{types.RATIO}$")]
DigestText = Annotated[str, Field(pattern=f"^{types.DIGEST}$")]
RunName = Annotated[str, Field(pattern=f"^{types.RUN}$")]
Text = Annotated[str, Field(pattern=f"^{types.TEXT}$", max_length=MAX_TEXT)]
Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
Moment = dt.datetime
# All values that a parameter may take, or that a group may have.
Domain = Annotated[
    list[
        Annotated[str, Field(pattern=f"^{types.TEXT}$", max_length=256)]
        | Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
    ],
    Field(min_length=1, max_length=MAX_PARAMETER_VALUES),
]

_HINT = "the template in contracts/templates shows every clause and its form"
_PYTHON_HINT = "docs/python-analyses.md shows such files, docs/protocol/query.md every clause"
_STRANGE = re.compile(r"[^A-Za-z0-9_.@-]")
_FORMS = {
    types.NAME: "a name such as 'hospital'",
    types.LINEAGE: "a dataset such as 'hospital.encounters'",
    types.COLUMN: "a lower-case column name such as 'patient_id'",
    types.COLUMN_REFERENCE: "a column such as 'hospital.patients.person_key'",
    types.RATIO: "an exact number such as '9/10', '0.1' or '10'",
    types.DIGEST: "sha256: and 64 hexadecimal digits",
    types.RUN: "8 to 64 lower-case letters, digits and dashes",
    types.TEXT: "one line of text without control characters",
    f"(?:{types.COLUMN_TYPE})": "a type such as 'integer', 'string' or 'decimal(12,2)'",
}
_TYPES = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "datetime_type": "a time such as 2026-01-31T00:00:00Z without quotes",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def malformed(
    what: str, clause: str, *, found: str, agreed: str, code: str, hint: str = ""
) -> MalformedError:
    """Compose the error that names document, clause, what was found and what was agreed."""
    usual = _PYTHON_HINT if code.startswith(("analysis.", "query.python")) else _HINT
    message = f"{what}: {clause}: found {found}, agreed {agreed}"
    return MalformedError(message, code=code, hint=hint or usual)


def read_document(
    model: type[Model], document: Mapping[str, Any], *, what: str, kind: str
) -> Model:
    """Check parsed TOML against a wire model.

    Raises:
        MalformedError: A clause is absent, unknown, of another type or out of range.
    """
    require_format(document, what=what, kind=kind)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
    # Raised outside the handler: a chained validation error would carry the input.
    raise _problem(_telling(found), beside=found, what=what, kind=kind)


def parse_document(model: type[Model], data: bytes, *, what: str, kind: str, limit: int) -> Model:
    """Read the exact bytes of a document into its wire model.

    Raises:
        MalformedError: Not strict TOML, or not this kind of document.
    """
    return read_document(model, parse_toml(data, what=what, limit=limit), what=what, kind=kind)


def require_format(document: Mapping[str, Any], *, what: str, kind: str) -> None:
    """Refuse a document of another kind before reading any of its clauses.

    Raises:
        MalformedError: The format marker is absent or names another format.
    """
    if document.get("format") != f"cleanroom.{kind}.v0":
        raise malformed(
            what,
            "format",
            found="another marker" if "format" in document else "none",
            agreed=f"'cleanroom.{kind}.v0'",
            code=f"{kind}.format",
            hint="give the document of this kind, or convert it with the release that wrote it",
        )


def unique(values: Iterable[str], *, what: str, clause: str, kind: str) -> frozenset[str]:
    """Return the values as a set.

    Raises:
        MalformedError: One of them is listed twice.
    """
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise malformed(
                what,
                clause,
                found=f"{value!r} twice",
                agreed="each one once",
                code=f"{kind}.duplicate",
                hint="remove one of the two",
            )
        seen.add(value)
    return frozenset(seen)


def with_bytes(
    document: Callable[..., Document], terms: DataclassInstance, *, data: bytes
) -> Document:
    """Bind terms to the exact bytes that they were read from."""
    values = {field.name: getattr(terms, field.name) for field in dataclasses.fields(terms)}
    return document(**values, raw=data, digest=Digest.of(data))


def _telling(errors: Sequence[ErrorDetails]) -> ErrorDetails:
    """Choose what to report: a misspelt clause, and not that the right one is missing."""
    first = errors[0]
    if first["type"] != "missing":
        return first
    beside = (
        error
        for error in errors
        if error["type"] == "extra_forbidden" and error["loc"][:-1] == first["loc"][:-1]
    )
    return next(beside, first)


def _meant(unknown: ErrorDetails, beside: Sequence[ErrorDetails]) -> str:
    """Name the missing clause that a misspelt one resembles; names of ours, never the input."""
    import difflib  # noqa: PLC0415 - only for an error

    *parent, name = unknown["loc"]
    missing = [
        str(error["loc"][-1])
        for error in beside
        if error["type"] == "missing" and list(error["loc"][:-1]) == parent
    ]
    close = difflib.get_close_matches(str(name)[:64], missing, n=1)
    return f"probably {close[0]} is meant; {_HINT}" if close else ""


def _problem(
    error: ErrorDetails, *, beside: Sequence[ErrorDetails], what: str, kind: str
) -> MalformedError:
    clause = _place(error["loc"])
    cause = error["type"]
    if cause == "missing":
        return malformed(
            what, clause, found="no such clause", agreed="it is mandatory", code=f"{kind}.missing"
        )
    if cause == "extra_forbidden":
        return malformed(
            what,
            clause,
            found="an unknown clause",
            agreed="no such",
            code=f"{kind}.unknown-key",
            hint=_meant(error, beside),
        )
    if cause in _TYPES:
        return malformed(
            what, clause, found="another type", agreed=_TYPES[cause], code=f"{kind}.type"
        )
    found, agreed = _range(error.get("ctx", {}))
    return malformed(what, clause, found=found, agreed=agreed, code=f"{kind}.value")


def _range(context: Mapping[str, Any]) -> tuple[str, str]:
    # Only limits and forms of our own models are read from the context, never the input.
    if "pattern" in context:
        form = str(context["pattern"])[1:-1]
        return "another form", _FORMS.get(form, f"the form {form}")
    if "expected" in context:
        return "another value", str(context["expected"])
    if "expected_tags" in context:
        return "another value", str(context["expected_tags"])
    if "max_length" in context:
        return "more", f"at most {context['max_length']}"
    if "min_length" in context:
        return "fewer", f"at least {context['min_length']}"
    bounds = [f"{words} {context[name]}" for name, words in _BOUNDS.items() if name in context]
    return "a value out of range", bounds[0] if bounds else "a value of the documented form"


def _place(location: Iterable[str | int]) -> str:
    # Unknown keys come from the document: shortened, and without control characters.
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += "." * bool(text) + _STRANGE.sub("?", part)[:64]
    return text
