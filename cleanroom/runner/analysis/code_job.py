# SPDX-License-Identifier: Apache-2.0
"""What the process that runs an analyst's code is told, and what may come out of it.

There are three kinds of answers: a table as bytes that nobody here reads, a short list
of numbers, or the class and the line of an exception. A class of the code's own could
be named after a value, so only Python's built-in names pass, and only lines that exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from cleanroom.admission.analysis import UNIT
from cleanroom.contract.analysis import FrameAggregate, PythonAnalysis
from cleanroom.errors import MalformedError, QueryFailedError
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json
from cleanroom.runner.analysis.code_words import EXCEPTIONS, FRAME, RAISED, UNKNOWN
from cleanroom.runner.analysis.shape import frame_columns
from cleanroom.runner.cells import write_value
from cleanroom.runner.child_job import Bindable

RAISED_CODE = "analysis.raised"
MAX_NUMBERS_BYTES = 64 * KIB
MAX_HEAD_BYTES = 128

_RAISED = re.compile(rf"{RAISED} ([A-Za-z]{{1,64}}) ([0-9]{{1,7}})")
# What is imported before system calls are filtered, because it makes memory executable
# or looks around while it loads. Nobody reads the code for it but for these names.
_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "polars": ("polars",),
    "scipy": ("scipy.stats", "scipy.optimize"),
    "sklearn": (
        "sklearn.linear_model",
        "sklearn.ensemble",
        "cleanroom.runner.analysis.thread_pools",
    ),
    "statsmodels": ("statsmodels.api",),
}
_IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([a-z]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number that code handed over, with the support that it claims."""

    name: str
    value: float
    units: int


def libraries_of(code: bytes) -> tuple[str, ...]:
    """Name the libraries that code imports, of those that must be loaded early."""
    named = {match.group(1).decode() for match in _IMPORT.finditer(code)}
    return tuple(module for top in sorted(named & set(_LIBRARIES)) for module in _LIBRARIES[top])


def encode_code_job(
    code: bytes,
    *,
    analysis: PythonAnalysis,
    parameters: Mapping[str, Bindable],
    tables: Mapping[str, int],
) -> bytes:
    """Write what one process computes: one line that describes it, then the code.

    Args:
        code: The very bytes whose digest was approved.
        analysis: What it must hand over.
        parameters: Values of the run.
        tables: Lineage to the descriptor of its rows.
    """
    job = {
        "entry_point": analysis.entry_point,
        "parameters": {name: write_value(value) for name, value in parameters.items()},
        "tables": dict(tables),
        "unit": UNIT,
        "columns": [[name, str(kind)] for name, kind in frame_columns(analysis)],
        "aggregates": {item.name: _spelled(item) for item in analysis.aggregates},
        "statistics": [item.name for item in analysis.statistics],
    }
    return json.dumps(job).encode() + b"\n" + code


def read_answer(answer: bytes, *, code: bytes, wanted: str) -> memoryview:
    """Return what follows the word of an answer, if it is the word that is wanted.

    Raises:
        QueryFailedError: The code raised, or handed over something else.
    """
    head, found, _ = answer[:MAX_HEAD_BYTES].partition(b"\n")
    word = head.decode("ascii", "replace") if found else ""
    if word == wanted:
        return memoryview(answer)[len(head) + 1 :]
    raised = _RAISED.fullmatch(word)
    if raised:
        raise _raised(raised[1], int(raised[2]), lines=code.count(b"\n") + 1)
    raise handed_over_something_else()


def agreed_answers(answers: Sequence[bytes | QueryFailedError], *, code: bytes) -> list[memoryview]:
    """Return the frame of every part, or the one error that all parts agree on.

    A mistake shows itself in every part. What only some of the people provoke is about
    them: a line could spell somebody's value, so class and line stay behind.

    Raises:
        QueryFailedError: A part failed.
    """
    read = [_frame_of(answer, code=code) for answer in answers]
    errors = [item for item in read if isinstance(item, QueryFailedError)]
    if not errors:
        return [item for item in read if isinstance(item, memoryview)]
    told = {(error.code, error.message) for error in errors}
    if len(told) == 1 and (len(errors) == len(answers) or errors[0].code != RAISED_CODE):
        raise errors[0]
    raise QueryFailedError(
        "analysis: failed for some of the people, and not alike for all",
        code=RAISED_CODE,
        hint="whose rows provoked it is not told, nor where: cleanroom query run FILE --mock",
    )


def _frame_of(answer: bytes | QueryFailedError, *, code: bytes) -> memoryview | QueryFailedError:
    if isinstance(answer, QueryFailedError):
        return answer
    try:
        return read_answer(answer, code=code, wanted=FRAME)
    except QueryFailedError as error:
        return error


def handed_over_something_else() -> QueryFailedError:
    """Return the error of code that hands over what its document does not declare."""
    return QueryFailedError(
        "analysis: handed over something else than its query declares",
        code="analysis.handed-over",
        hint="return a frame with the declared columns or release.table(frame); in an analysis "
        "with statistics, a list of release.stat(...)",
    )


def read_numbers(data: memoryview, *, names: Sequence[str]) -> dict[str, Number]:
    """Read numbers that code handed over, one for each declared statistic.

    Raises:
        QueryFailedError: Anything else.
    """
    try:
        value = parse_json(bytes(data), what="analysis", limit=MAX_NUMBERS_BYTES)
        found = {name: _number(name, item) for name, item in dict(value).items()}
    except (MalformedError, ValueError, TypeError, OverflowError):
        found = {}
    if set(found) != set(names):
        raise handed_over_something_else()
    return found


def _number(name: str, item: Sequence[object]) -> Number:
    text, units = item
    if not isinstance(text, str) or type(units) is not int or units < 0:
        raise ValueError("not a number and its units")
    return Number(name=name, value=float.fromhex(text), units=units)


def _raised(name: str, line: int, *, lines: int) -> QueryFailedError:
    known = name if name in EXCEPTIONS else UNKNOWN
    where = f" at line {line}" if 0 < line <= lines else ""
    return QueryFailedError(
        f"analysis: {known}{where}",
        code=RAISED_CODE,
        hint="cleanroom query run FILE --mock shows the whole of it on mock data",
    )


def _spelled(item: FrameAggregate) -> str:
    return f"{item.function.value}({item.column})" if item.column else item.function.value
