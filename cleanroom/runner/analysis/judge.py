# SPDX-License-Identifier: Apache-2.0
"""Read one untrusted table, and make a fresh one of it, or a word that says why not.

Only processes do this that hold no key and end with what they read: whatever the bytes
do to their reader, they meet nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cleanroom.runner.analysis.crossing import ACCEPTED, MALFORMED, ROWS, SCHEMA, VALUES

_EXTENSION = b"ARROW:extension:name"


def judge(
    untrusted: bytes | pa.Buffer, *, schema: pa.Schema, most_rows: int
) -> tuple[str, pa.Table | None]:
    """Return a fresh table, or the word that says why there is none.

    The order is cheap and decisive first, and no value is touched before all of them
    were validated: an offset of a string that points elsewhere is only found by that.
    """
    try:
        with pa.ipc.open_stream(pa.BufferReader(untrusted)) as reader:
            # 1. Exactly the declared schema. Types are compared and not just their
            # storage: extension, dictionary and nested types are other types.
            if not _is_declared(reader.schema, schema):
                return SCHEMA, None
            batches, rows = [], 0
            for batch in reader:
                # 2. Every value within its buffers, every string valid, before use.
                batch.validate(full=True)
                rows += batch.num_rows
                # 3. No more rows than declared.
                if rows > most_rows:
                    return ROWS, None
                batches.append(batch)
    except pa.ArrowInvalid:
        return (VALUES if _reads_a_schema(untrusted) else MALFORMED), None
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError):
        return MALFORMED, None
    return ACCEPTED, _copied(batches, schema)


def _is_declared(found: pa.Schema, declared: pa.Schema) -> bool:
    # An extension type that nobody registered here reads as its storage, and has a name.
    named = any(_EXTENSION in (field.metadata or {}) for field in found)
    return not named and bool(found.remove_metadata().equals(declared))


def _copied(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """Copy the values alone: what lies between them in the buffers stays behind."""
    table = pa.Table.from_batches(batches, schema=schema)
    every = pa.array(np.arange(table.num_rows))
    return pc.take(table, every).combine_chunks()


def _reads_a_schema(untrusted: bytes | pa.Buffer) -> bool:
    try:
        with pa.ipc.open_stream(pa.BufferReader(untrusted)):
            return True
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError):
        return False
