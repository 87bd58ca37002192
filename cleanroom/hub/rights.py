# SPDX-License-Identifier: Apache-2.0
"""Whose place is it? A party writes its own places of a room, and nobody else's.

A colluding party could otherwise put its own bytes in the place of another's data:
nothing false would be believed, and nothing would work.
"""

from __future__ import annotations

import re
from enum import Enum

from cleanroom.contract.types import CODE_FILE, LINEAGE, NAME, RUN
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass


class Signed(Enum):
    """Who must have signed what lies at a place."""

    NO = "no"
    BY_WRITER = "by its writer"
    BY_ANYBODY = "by whoever agrees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What a place is for.

    Attributes:
        writer: The party that alone writes there; absent where each party may.
        kind: Kind of the signed document that lies there; empty if none does.
        signed: Who must have signed it.
        claim: The document whose first signer holds this place and those beside it;
            empty where places are not taken in that way.
    """

    writer: str | None
    kind: str = ""
    signed: Signed = Signed.NO
    claim: str = ""


_SIGNATURE = re.compile(rf"(?P<document>.+)\.sig/(?P<party>{NAME})\.sig")
_OWNER = rf"(?P<party>{NAME})"
_PART = r"[a-z0-9][a-z0-9.-]{0,127}"
_LINEAGE = re.compile(LINEAGE)
_SIGNED = (
    (re.compile(rf"parties/{_OWNER}\.toml"), "party"),
    (re.compile(rf"queries/{NAME}/approvals/{_OWNER}\.toml"), "approval"),
    (re.compile(rf"revocations/{_OWNER}-[0-9a-f]{{12}}\.toml"), "revocation"),
)
_DATASET = re.compile(r"datasets/(?P<lineage>[^/]+)/(?P<file>policy\.toml|dataset\.toml|parts/.+)")
_CLAIMED = (
    (re.compile(rf"(?P<claim>queries/{NAME}/query\.toml)"), "query"),
    (re.compile(rf"(?P<claim>runs/{RUN}/run\.toml)"), "run"),
    (re.compile(rf"(?P<directory>queries/{NAME})/{CODE_FILE}"), ""),
    (re.compile(rf"(?P<directory>runs/{RUN})/(?:receipt\.json|result\.sealed)"), ""),
)
_LOG = re.compile(rf"log/{NAME}(?:/[a-z0-9_][a-z0-9_.-]{{0,127}}){{1,8}}")


def signature_place(place: str) -> tuple[str, str] | None:
    """Return the document and the party of a signature's place; ``None`` for other places."""
    found = _SIGNATURE.fullmatch(place)
    return None if found is None else (found["document"], found["party"])


def right_of(place: str) -> Right:
    """Say who may write at a place.

    Raises:
        MalformedError: Nothing lies there in a room; ``archive/`` is the hub's own.
    """
    signature = signature_place(place)
    if signature is not None:
        document, party = signature
        if not right_of(document).kind:
            raise _no_place()
        return Right(writer=party)
    if place == "contract.toml":
        return Right(writer=None, kind="contract", signed=Signed.BY_ANYBODY)
    if _LOG.fullmatch(place):
        return Right(writer=None)
    right = _own(place) or _dataset(place) or _claimed(place)
    if right is None:
        raise _no_place()
    return right


def _own(place: str) -> Right | None:
    for form, kind in _SIGNED:
        if found := form.fullmatch(place):
            return Right(writer=found["party"], kind=kind, signed=Signed.BY_WRITER)
    return None


def _dataset(place: str) -> Right | None:
    found = _DATASET.fullmatch(place)
    if found is None or not _LINEAGE.fullmatch(found["lineage"]):
        return None
    owner = found["lineage"].partition(".")[0]
    file = found["file"]
    if file.startswith("parts/"):
        name = file.removeprefix("parts/")
        return Right(writer=owner) if re.fullmatch(_PART, name) else None
    return Right(writer=owner, kind=file.removesuffix(".toml"), signed=Signed.BY_WRITER)


def _claimed(place: str) -> Right | None:
    for form, kind in _CLAIMED:
        found = form.fullmatch(place)
        if found and kind:
            return Right(writer=None, kind=kind, signed=Signed.BY_WRITER, claim=place)
        if found:
            document = "query" if place.startswith("queries/") else "run"
            return Right(writer=None, claim=f"{found['directory']}/{document}.toml")
    return None


def _no_place() -> MalformedError:
    return MalformedError(
        "hub: nothing of a room lies at that place",
        code="hub.place",
        hint="docs/protocol/room.md says where documents lie",
    )
