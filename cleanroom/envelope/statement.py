# SPDX-License-Identifier: Apache-2.0
"""In-toto statements: what machines say about named bytes.

A statement has one form only, its RFC 8785 bytes, so its digest means the same to
everybody who names it. Reading one says nothing about who made it; verify its
envelope first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import decode_text, parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_SUBJECTS = 64
_PREDICATE_TYPE = re.compile(r"urn:cleanroom:[a-z][a-z0-9-]{0,31}:v0")
_SUBJECT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


class _DigestSet(WireModel):
    sha256: str


class _Subject(WireModel):
    name: str
    digest: _DigestSet


class _Wire(WireModel):
    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: list[_Subject]
    predicateType: str  # noqa: N815 - spelled so in in-toto
    predicate: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a statement says; the predicate's own fields are still to be checked.

    Attributes:
        subjects: Name to digest of the bytes it speaks about.
        predicate_type: What kind of statement it is.
        predicate: What it says.
    """

    subjects: Mapping[str, Digest]
    predicate_type: str
    predicate: Mapping[str, Any]


def make_statement(
    *, subjects: Mapping[str, Digest], predicate_type: str, predicate: Mapping[str, JSONValue]
) -> bytes:
    """Return the RFC 8785 bytes of a statement.

    Raises:
        MalformedError: A name or type that is not one of ours, no subject, or a
            predicate that has no canonical form.
    """
    names = sorted(subjects)
    _require_type(predicate_type, agreed=predicate_type, what="statement")
    _require_names(names, what="statement")
    payload = canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": subjects[name].hex}} for name in names],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )
    # As its readers will.
    decode_text(payload, what="statement", limit=MAX_RECEIPT_BYTES)
    return payload


def parse_statement(
    payload: bytes, *, predicate_type: str, what: str, limit: int = MAX_RECEIPT_BYTES
) -> Statement:
    """Read a statement of exactly this predicate type.

    Raises:
        MalformedError: Not such a statement, or not in its canonical form.
    """
    value = parse_json(payload, what=what, limit=limit)
    wire = validate_shape(_Wire, value, what=what)
    # The kind before the content: a refusal must never be read as a release.
    _require_type(wire.predicateType, agreed=predicate_type, what=what)
    if canonical_json(value) != payload:
        raise MalformedError(f"{what}: not in canonical form", code="statement.canonical")
    return Statement(
        subjects=_read_subjects(wire.subject, what=what),
        predicate_type=predicate_type,
        predicate=MappingProxyType(wire.predicate),
    )


def _require_type(found: str, *, agreed: str, what: str) -> None:
    if found != agreed or not _PREDICATE_TYPE.fullmatch(agreed):
        raise MalformedError(f"{what}: not a {agreed} statement", code="statement.type")


def _read_subjects(wires: list[_Subject], *, what: str) -> Mapping[str, Digest]:
    names = [wire.name for wire in wires]
    _require_names(names, what=what)
    digests = (Digest.parse(f"sha256:{wire.digest.sha256}", what=what) for wire in wires)
    return MappingProxyType(dict(zip(names, digests, strict=True)))


def _require_names(names: list[str], *, what: str) -> None:
    if not 0 < len(names) <= MAX_SUBJECTS or names != sorted(set(names)):
        raise MalformedError(
            f"{what}: its subjects are none, too many, repeated or out of order",
            code="statement.subjects",
        )
    if not all(_SUBJECT_NAME.fullmatch(name) for name in names):
        raise MalformedError(f"{what}: a subject has no proper name", code="statement.subjects")
