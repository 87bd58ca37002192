# SPDX-License-Identifier: Apache-2.0
"""Make the sealed part vectors: three good parts, and every way to spoil one.

Origin: our own writer, with a fixed key and fixed identifiers. A spoiled part is
told as pieces of good ones, so that a vector stays readable.
Run ``python -m tests.vectors.sealed_part.generate`` after a change of the format.
"""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

from cleanroom.vault.chunks import SEALED_CHUNK_BYTES
from cleanroom.vault.header import CHUNK_BYTES, HEADER_BYTES, PartContext
from cleanroom.vault.stream import PartWriter
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
KEY = bytes(range(32))
CONTEXT = PartContext(
    lineage="hospital.encounters",
    version=7,
    part=1,
    parts=3,
    key_id=bytes(range(16)),
    file_id=bytes(range(100, 116)),
)
OTHER_ATTEMPT = replace(CONTEXT, file_id=bytes(range(200, 216)))
LONG = 2 * CHUNK_BYTES + 100


def plaintext(length: int) -> bytes:
    """Give the bytes that every good part holds."""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def good_parts() -> dict[str, bytes]:
    """Seal the parts that vectors take their pieces from."""
    return {
        "empty.part": _seal(0, CONTEXT),
        "short.part": _seal(1000, CONTEXT),
        "long.part": _seal(LONG, CONTEXT),
        "other-attempt.part": _seal(1000, OTHER_ATTEMPT),
    }


def vectors() -> dict[str, Vector]:
    """Give every vector by name."""
    good = good_parts()
    return _accepted() | _headers(good["short.part"]) | _bodies(good) | _expectations()


def _seal(length: int, context: PartContext) -> bytes:
    file = io.BytesIO()
    writer = PartWriter(file, key=KEY, context=context)
    writer.write(plaintext(length))
    writer.finish()
    return file.getvalue()


def _accepted() -> dict[str, Vector]:
    return {
        f"good-{name}": _vector(
            "success", f"{length} bytes of plaintext", [{"base": f"{name}.part"}]
        )
        for name, length in (("empty", 0), ("short", 1000), ("long", LONG))
    }


def _headers(short: bytes) -> dict[str, Vector]:
    edits = {
        "magic": (0, "MalformedError vault.format"),
        "format-version": (17, "MalformedError vault.format"),
        "suite": (19, "MalformedError vault.format"),
        "chunk-size": (23, "MalformedError vault.format"),
        "version": (31, "IntegrityError vault.foreign-part"),
        "part": (35, "MalformedError vault.format"),
        "parts": (39, "MalformedError vault.format"),
        "key-id": (40, "IntegrityError vault.foreign-part"),
        "file-id": (56, "IntegrityError vault.foreign-part"),
        "lineage-length": (72, "MalformedError vault.format"),
        "lineage": (74, "IntegrityError vault.foreign-part"),
        "padding": (HEADER_BYTES - 1, "MalformedError vault.format"),
    }
    return {
        f"header-{name}": _vector(
            expect,
            f"one bit of header byte {place} flipped",
            [
                {"base": "short.part", "from": 0, "to": place},
                {"bytes": _base64(bytes([short[place] ^ 2]))},
                {"base": "short.part", "from": place + 1, "to": len(short)},
            ],
        )
        for name, (place, expect) in edits.items()
    }


def _bodies(good: dict[str, bytes]) -> dict[str, Vector]:
    tampered, truncated = "IntegrityError vault.tampered", "IntegrityError vault.truncated"
    size, short = len(good["long.part"]), len(good["short.part"])
    first, second = HEADER_BYTES + SEALED_CHUNK_BYTES, HEADER_BYTES + 2 * SEALED_CHUNK_BYTES
    header = _piece("long.part", 0, HEADER_BYTES)
    chunks = [
        _piece("long.part", HEADER_BYTES, first),
        _piece("long.part", first, second),
        _piece("long.part", second, size),
    ]
    flipped = bytes([good["long.part"][first - 1] ^ 1])
    return {
        "chunks-swapped": _vector(
            tampered,
            "the first two chunks change places",
            [header, chunks[1], chunks[0], chunks[2]],
        ),
        "chunk-dropped": _vector(
            tampered, "the second chunk is missing", [header, chunks[0], chunks[2]]
        ),
        "chunk-repeated": _vector(
            tampered, "the first chunk stands twice", [header, chunks[0], *chunks]
        ),
        "chunk-tag-flipped": _vector(
            tampered,
            "one bit of the first chunk's tag",
            [
                header,
                _piece("long.part", HEADER_BYTES, first - 1),
                {"bytes": _base64(flipped)},
                chunks[1],
                chunks[2],
            ],
        ),
        "cut-at-border": _vector(tampered, "ends after the second chunk", [header, *chunks[:2]]),
        "cut-in-chunk": _vector(
            tampered, "ends inside the last chunk", [_piece("long.part", 0, size - 1)]
        ),
        "cut-to-tag": _vector(
            truncated,
            "the last chunk is shorter than a tag",
            [header, *chunks[:2], _piece("long.part", second, second + 15)],
        ),
        "cut-to-header": _vector(truncated, "no chunk at all", [header]),
        "cut-in-header": _vector(
            "MalformedError vault.format", "half a header", [_piece("long.part", 0, 100)]
        ),
        "nothing": _vector("MalformedError vault.format", "an empty file", []),
        "appended-byte": _vector(
            tampered, "one byte more", [{"base": "long.part"}, {"bytes": _base64(b"\0")}]
        ),
        "appended-empty-chunk": _vector(
            tampered,
            "a tag of zeros more",
            [{"base": "short.part"}, {"bytes": _base64(bytes(16))}],
        ),
        "empty-last-chunk": _vector(
            truncated,
            "a full chunk, then a last one without plaintext",
            [header, chunks[0], {"bytes": _base64(bytes(16))}],
        ),
        "other-attempt-body": _vector(
            tampered,
            "the chunks of another attempt behind the agreed header",
            [
                _piece("short.part", 0, HEADER_BYTES),
                _piece("other-attempt.part", HEADER_BYTES, short),
            ],
        ),
        "other-attempt": _vector(
            "IntegrityError vault.foreign-part",
            "a whole part of another attempt at the same version",
            [{"base": "other-attempt.part"}],
        ),
    }


def _expectations() -> dict[str, Vector]:
    pieces = [{"base": "short.part"}]
    foreign = "IntegrityError vault.foreign-part"
    return {
        "agreed-other-version": _vector(foreign, "rolled back", pieces, {"version": 8}),
        "agreed-other-lineage": _vector(
            foreign, "another dataset", pieces, {"lineage": "hospital.patients"}
        ),
        "agreed-other-part": _vector(foreign, "another place in the version", pieces, {"part": 0}),
        "wrong-key": _vector(
            "IntegrityError vault.tampered", "another data key", pieces, {"key": "00" * 32}
        ),
    }


def _vector(
    expect: str,
    comment: str,
    pieces: list[dict[str, object]],
    agreed: dict[str, object] | None = None,
) -> Vector:
    context = {
        "key": KEY.hex(),
        "lineage": CONTEXT.lineage,
        "version": CONTEXT.version,
        "part": CONTEXT.part,
        "parts": CONTEXT.parts,
        "key_id": CONTEXT.key_id.hex(),
        "file_id": CONTEXT.file_id.hex(),
    }
    body = {"agreed": context | (agreed or {}), "pieces": pieces}
    return Vector(expect=expect, comment=comment, body=body)


def _piece(base: str, start: int, stop: int) -> dict[str, object]:
    return {"base": base, "from": start, "to": stop}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    for file_name, data in good_parts().items():
        (DIRECTORY / file_name).write_bytes(data)
    write_vectors(DIRECTORY, vectors())
