# SPDX-License-Identifier: Apache-2.0
"""May this document of a hub take the place of what lies here?

A hub that alters, swaps or replays documents is found out before anything is
replaced, and the error says which party's signature failed. What a document says is
judged where it is used, exactly as in a room that was always a directory.
"""

from __future__ import annotations

from collections.abc import Callable

from cleanroom.contract.approval import parse_approval
from cleanroom.contract.dataset import parse_dataset
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import (
    IdentityUnprovenError,
    IntegrityError,
    MalformedError,
    RefusedError,
)
from cleanroom.hub.rights import Right, Signed
from cleanroom.identity.party import PartyDocument, parse_party

FindParty = Callable[[str], PartyDocument | None]


def require_genuine(place: str, file: SignedFile, right: Right, *, find: FindParty) -> None:
    """Raise unless every signature of a document holds, its writer's among them.

    Args:
        place: Where the hub shows it.
        file: Its bytes, and all signatures that the hub shows.
        right: Whose place it is.
        find: Returns a party's document: the pinned one, else the room's.

    Raises:
        IdentityUnprovenError: Nobody knows the party that signed.
        IntegrityError: A signature does not match: the document was altered, or swapped.
        RefusedError: Its writer has not signed it.
        MalformedError: Not a signature, or a party document of another name.
    """
    # 1. What is shown as signed is signed, by whom it says (T-01, T-03).
    for party in file.signatures:
        verify_file(file, kind=right.kind, signer=_signer(place, file, party, find), what=place)
    # 2. Its writer is among them: a hub must not put an unsigned document there.
    needed = right.signed is Signed.BY_WRITER
    if needed and (right.writer not in file.signatures if right.writer else not file.signatures):
        raise RefusedError(
            f"{place}: signature of {right.writer or 'its author'}: missing",
            code="signature.missing",
            hint="the hub shows less than was put there; ask the party itself",
        )


def require_newer(place: str, data: bytes, before: bytes, right: Right) -> None:
    """Raise if a document is older than what it would replace, where documents say so.

    Raises:
        IntegrityError: It is: a hub shows what was replaced (T-02, T-06).
    """
    if right.kind not in ("approval", "dataset"):
        return
    found, had = (_number(right.kind, each) for each in (data, before))
    if found < had:
        raise IntegrityError(
            f"{place}: found number {found}, agreed at least {had}, which was here before",
            code="mirror.older",
            hint="the hub shows an older document; nothing here was changed",
        )


def _number(kind: str, data: bytes) -> int:
    return parse_approval(data).sequence if kind == "approval" else parse_dataset(data).version


def _signer(place: str, file: SignedFile, party: str, find: FindParty) -> PartyDocument:
    if place == f"parties/{party}.toml":
        document = parse_party(file.data, what=place)
        if document.name != party:
            raise MalformedError(
                f"{place}: a document of {document.name}", code="mirror.party-name"
            )
        return document
    known = find(party)
    if known is None:
        raise IdentityUnprovenError(
            f"{place}: signature of {party}, whose document is not here",
            code="mirror.party-unknown",
            hint=f"ask {party} to put its party document into the room",
        )
    return known
