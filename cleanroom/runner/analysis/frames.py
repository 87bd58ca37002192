# SPDX-License-Identifier: Apache-2.0
"""Have the frames of untrusted code judged in a throw-away process.

The runner moves bytes: it never parses a frame. What comes back is one clean frame, or
the word of the rule that was broken; a frame depends on data, so the word is a refusal
that is counted like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.errors import QueryFailedError
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.runner.analysis.crossing import ACCEPTED, SECONDS, refused_table, word_of
from cleanroom.runner.analysis.shape import frame_columns
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.memfd import sealed_memory
from cleanroom.runner.sandbox.process import confined_child

CHILD = "cleanroom.runner.analysis.frames_child"
MAX_LINE_BYTES = 16 << 20

UNKNOWN_UNIT = "analysis.unit"
TWO_ROWS = "analysis.two-rows"
GROUP_VALUE = "analysis.group-value"
NOT_A_MAP = "analysis.not-a-map"

_SENTENCES = {
    UNKNOWN_UNIT: (
        "the frame speaks for a unit that this process was not given",
        "keep the unit column of the input tables as it is",
    ),
    TWO_ROWS: ("the frame has two rows of one unit", "aggregate to one row a unit"),
    GROUP_VALUE: (
        "a group has a value that the query does not list",
        "list every value in python.groups, or turn others into None",
    ),
    NOT_A_MAP: (
        "the row of a unit depends on who else is there, or on chance",
        "compute a unit's row from its own rows alone and seed chance, or ask for python_reviewed",
    ),
}
# Frames are read, copied, sorted and compared.
_COPIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one split of the units gave.

    Attributes:
        members: Descriptors of the units of each part.
        frames: Descriptors of what code handed over for each part.
    """

    members: tuple[int, ...]
    frames: tuple[int, ...]


@contextmanager
def clean_frame(
    rounds: Sequence[Round], *, analysis: PythonAnalysis, confinement: Confinement, frame_bytes: int
) -> Iterator[int]:
    """Give the one frame that all rounds agree on as a sealed descriptor, for the block.

    Args:
        rounds: Every split, with what came of it.
        analysis: What a frame must be.
        confinement: How the process that reads them is confined.
        frame_bytes: Size of all frames together.

    Raises:
        QueryFailedError: A frame is no table as declared, or breaks a rule; says which one.
    """
    descriptors = [file for item in rounds for file in (*item.members, *item.frames)]
    limits = ChildLimits(
        memory_bytes=768 * MIB + _COPIES * frame_bytes,
        processor_seconds=2 * SECONDS,
        file_bytes=0,
        descriptors=64 + 2 * len(descriptors),
        tasks=64,
    )
    answer = b""
    with confined_child(
        CHILD, confinement=confinement, limits=limits, descriptors=descriptors
    ) as child:
        child.require_ready()
        # However it ends on such bytes, they are the reason.
        with suppress(QueryFailedError):
            request = encode_rounds(rounds, analysis)
            answer = child.exchange(request, seconds=SECONDS, most=frame_bytes + MIB)
    word, table = word_of(answer)
    if word != ACCEPTED:
        raise refused_frame(word)
    with sealed_memory("frame", lambda file: file.write(table)) as descriptor:
        yield descriptor


def encode_rounds(rounds: Sequence[Round], analysis: PythonAnalysis) -> bytes:
    """Write as one line what the process has to judge."""
    value = {
        "columns": [[name, str(kind)] for name, kind in frame_columns(analysis)],
        "groups": [[group.name, list(group.values)] for group in analysis.groups],
        "measures": [
            {
                "name": measure.name,
                "least": measure.range[0],
                "most": measure.range[1],
                "scale": measure.scale,
            }
            for measure in analysis.measures
        ],
        "rounds": [{"members": list(item.members), "frames": list(item.frames)} for item in rounds],
    }
    return json.dumps(value).encode() + b"\n"


def refused_frame(word: str) -> QueryFailedError:
    """Return the error of one word of the process."""
    if word not in _SENTENCES:
        return refused_table(word)
    sentence, hint = _SENTENCES[word]
    return QueryFailedError(f"analysis: {sentence}", code=word, hint=hint)
