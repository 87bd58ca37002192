# SPDX-License-Identifier: Apache-2.0
"""Vector files: header lines that say what must happen, a blank line, one JSON body.

One scenario a file, after the manner of C2SP/CCTV, so that a failing vector can
be read by itself and used by other implementations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanroom.errors import CleanroomError

SUFFIX = ".vector"
_SAID = re.compile(r"agreed|against|judged|does not match|did not sign|not signed")
# What a reader of text, JSON or base64 says, whatever it is read for.
_OF_TEXT = ("json.", "format.", "digest.format")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One scenario.

    Attributes:
        expect: ``success``, or the error class and its code.
        comment: What is special about it.
        body: The inputs.
    """

    expect: str
    comment: str
    body: Mapping[str, Any]

    def render(self) -> bytes:
        """Write the file."""
        body = json.dumps(self.body, indent=1, sort_keys=True)
        return f"expect: {self.expect}\ncomment: {self.comment}\n\n{body}\n".encode()


def parse_vector(data: bytes) -> Vector:
    """Read a file that :meth:`Vector.render` wrote."""
    head, _, body = data.decode().partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    return Vector(expect=headers["expect"], comment=headers["comment"], body=json.loads(body))


def write_vectors(directory: Path, vectors: Mapping[str, Vector]) -> None:
    """Replace all vectors of a directory."""
    for stale in directory.glob(f"*{SUFFIX}"):
        stale.unlink()
    for name, vector in vectors.items():
        (directory / f"{name}{SUFFIX}").write_bytes(vector.render())


def read_vectors(directory: Path) -> dict[str, bytes]:
    """Return the committed bytes by name."""
    return {path.stem: path.read_bytes() for path in sorted(directory.glob(f"*{SUFFIX}"))}


def says_what_was_agreed(error: CleanroomError) -> bool:
    """Tell whether a refusal names what was found against what was agreed."""
    return str(error.code).startswith(_OF_TEXT) or _SAID.search(str(error)) is not None
