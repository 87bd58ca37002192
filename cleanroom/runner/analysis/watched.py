# SPDX-License-Identifier: Apache-2.0
"""Run code where its author watches it: on invented rows only, and hiding nothing.

No process of a real run imports this module; a test says so.
"""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

import pyarrow as pa

from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.errors import QueryFailedError
from cleanroom.runner.analysis.code_words import CODE_NAME
from cleanroom.runner.analysis.frames import GROUP_VALUE, NOT_A_MAP

Handed = TypeVar("Handed")

_SHOWN = 5


def shown(code: bytes, work: Callable[[], Handed]) -> Handed:
    """Do some work of the code where its author watches: on invented rows, hiding nothing.

    Raises:
        QueryFailedError: It raised; its part of the traceback was printed.
    """
    lines = code.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[CODE_NAME] = (len(code), None, lines, CODE_NAME)
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - any, in full, to whoever wrote it
        traceback.print_exception(error.with_traceback(_own(error.__traceback__)))
    raise QueryFailedError(
        "analysis: it raised, or handed over something else than it declares",
        code="analysis.raised",
        hint="what was found stands above; invented values may be absent, and what a column takes"
        " that no group lists is told by --column NAME=A,B",
    )


def tell_broken_rule(
    word: str, rounds: Sequence[Sequence[pa.Table]], analysis: PythonAnalysis
) -> None:
    """Print which values broke a rule: on real rows nobody is told more than the rule."""
    wholes = [pa.concat_tables(frames).sort_by("unit") for frames in rounds]
    if word == GROUP_VALUE:
        lines = list(_unlisted(wholes[0], analysis))
    else:
        lines = list(_differing(wholes)) if word == NOT_A_MAP else []
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201 - where tracebacks go


def _unlisted(frame: pa.Table, analysis: PythonAnalysis) -> Iterator[str]:
    for group in analysis.groups:
        known = {None, *map(str, group.values)}
        values = frame.column(group.name).unique().to_pylist()
        others = [value for value in values if value is not None and str(value) not in known]
        if others:
            yield f"group {group.name!r}: not listed: {', '.join(map(repr, others[:_SHOWN]))}"


def _differing(frames: Sequence[pa.Table]) -> Iterator[str]:
    first, *others = frames
    for other in others:
        if not first.column("unit").equals(other.column("unit")):
            yield "column 'unit': other people have a row when others are there"
            return
        for name in first.column_names:
            one, two = first.column(name).combine_chunks(), other.column(name).combine_chunks()
            if not one.equals(two):
                yield f"column {name!r}: differs for the same person when others are there"
                return


def _own(place: TracebackType | None) -> TracebackType | None:
    """Leave out what called the code; nothing is left of what it handed over."""
    while place is not None and place.tb_frame.f_code.co_filename != CODE_NAME:
        place = place.tb_next
    return place
