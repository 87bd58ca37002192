# SPDX-License-Identifier: Apache-2.0
"""Read a proposed query before anybody puts a name under it.

A room can exchange files at any moment. What a party signs is therefore fixed by a
digest that it saw, and is genuine by itself: its author's signature, its own name,
its code to the byte.
"""

from __future__ import annotations

from cleanroom.contract import places
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import Query, parse_query
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import IntegrityError, RefusedError


def read_query(room: RoomDirectory, name: str, *, agreement: Agreement) -> Query:
    """Return the query of this name, signed by a party of the contract.

    Raises:
        UnavailableError: There is none.
        MalformedError: It is no query document.
        IntegrityError: Its signature, name or code is another's.
        RefusedError: Its author is no party of the contract, or has not signed it.
    """
    place = places.query_file(name)
    file = room.load(place)
    query = parse_query(file.data, what=place)
    author = agreement.parties.get(query.author)
    if author is None:
        raise RefusedError(
            f"{place}: author: found {query.author!r}, agreed one of "
            f"{', '.join(sorted(agreement.parties))}",
            code="query.author",
            hint="only parties of the contract propose queries under it",
        )
    verify_file(file, kind="query", signer=author, what=place)
    if query.name != name:
        raise IntegrityError(
            f"{place}: name: found {query.name!r}, agreed {name!r}",
            code="query.name",
            hint="the file lies under another query's name",
        )
    for code in query.code:
        # Finding it by digest is the comparison; the bytes are read again by the runner.
        room.find(places.code_file(name, code.file), code.digest)
    return query
