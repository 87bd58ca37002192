# SPDX-License-Identifier: Apache-2.0
"""What code hands over, in the words in which its process tells it."""

import datetime as dt
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cleanroom import release
from cleanroom.runner.analysis.code_child import computed
from cleanroom.runner.analysis.code_job import encode_code_job
from cleanroom.runner.sandbox import places
from tests.support.analyses import COHORT, NUMBERS

TABLE = pa.table({"unit": ["a", "b"], "days": [1.0, None], "day": [dt.date(2026, 1, 1), None]})
ROWS = {"unit": ["a", "b"], "programme": ["standard", None], "days": [1, 2]}


def handed(code, analysis=COHORT, **parameters):
    job = encode_code_job(b"", analysis=analysis, parameters=parameters, tables={"t": 3})
    head, frame = computed(json.loads(job), code.encode(), tables={"t": TABLE})
    return head.decode().partition("\n"), frame


def returning(expression, analysis=COHORT):
    lines = (
        "import numpy as np, pandas as pd, polars as pl, pyarrow as pa",
        "from cleanroom import release",
        f"ROWS = {ROWS!r}",
        "def cohort(tables, parameters):",
        f"    return {expression}",
    )
    return handed("\n".join(lines), analysis)


@pytest.mark.parametrize(
    ("named", "hidden"), [("raw_unicode_escape", "\\u000a"), ("utf-7", "+AAo-")]
)
def test_t09_no_comment_makes_python_read_another_text_than_its_reviewers(named, hidden):
    code = (
        f"# coding: {named}",
        "import pyarrow as pa",
        f"def cohort(tables, parameters): return pa.table({ROWS!r})",
        f"# see {hidden}def cohort(tables, parameters): raise KeyError",
    )
    (word, _, _), table = handed("\n".join(code))
    assert (word, table.num_rows) == ("frame", 2)


@pytest.mark.parametrize(
    "frame",
    [
        "pa.table(ROWS)",
        "pa.table({'more': [None, None], **ROWS}).select(['days', 'programme', 'more', 'unit'])",
        "pa.RecordBatch.from_pydict(ROWS)",
        "pd.DataFrame(ROWS)",
        "pd.DataFrame(ROWS).set_index('unit')",
        "pd.DataFrame(ROWS).set_index(['unit', 'programme']).reset_index('programme')",
        "pd.DataFrame(ROWS).set_index(['unit', 'programme'])",
        "pd.DataFrame(ROWS).set_index(['unit', 'programme'], drop=False)",
        "pl.DataFrame(ROWS)",
        "pl.DataFrame(ROWS).lazy()",
        "release.table(pd.DataFrame(ROWS).rename(columns={'unit': 'who'}), unit='who')",
        "release.table(pa.table(ROWS), aggregates={'people': 'count', 'mean_days': 'avg(days)'})",
    ],
)
def test_a_frame_of_any_library_becomes_the_declared_table(frame):
    (word, _, _), table = returning(frame)
    assert word == "frame"
    assert table.schema.names == ["unit", "programme", "days"]
    assert table.to_pydict() == {**ROWS, "days": [1.0, 2.0]}


@pytest.mark.parametrize(
    "other",
    [
        "None",
        "42",
        "pa.table({'unit': ['a']})",
        "pd.DataFrame(ROWS, index=[5, 6]).drop(columns='unit')",
        "pa.Table.from_arrays([pa.array(['a'])] * 2, names=['unit', 'unit'])",
        "pd.DataFrame({**ROWS, 'days': ['x', 'y']})",
        "pa.table({**ROWS, 'programme': [['standard'], None]})",
        "release.stat('odds', 1.0, units=20)",
        "release.table(pa.table(ROWS), aggregates={'people': 'sum(days)'})",
    ],
)
def test_something_else_is_told_as_something_else(other):
    (word, _, rest), table = returning(other)
    assert (word, rest, table) == ("other", "", None)


def test_numbers_are_handed_over_with_their_units():
    (word, _, rest), table = returning("[release.stat('odds', 1.5, units=20)]", NUMBERS)
    assert (word, table) == ("numbers", None)
    assert json.loads(rest) == {"odds": [(1.5).hex(), 20]}
    assert returning("release.stat('odds', np.float64(2), units=np.int64(3))", NUMBERS)[0][2] == (
        json.dumps({"odds": [(2.0).hex(), 3]})
    )


@pytest.mark.parametrize(
    "other",
    [
        "[]",
        "1.5",
        "'odds'",
        "pa.table(ROWS)",
        "[release.stat('other', 1.0, units=20)]",
        "[release.stat('odds', 1.0, units=20), 3]",
        "[release.stat('odds', 1.0, units=20), release.stat('odds', 2.0, units=20)]",
    ],
)
def test_other_numbers_are_told_as_something_else(other):
    assert returning(other, NUMBERS)[0][0] == "other"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def cohort(t, p):\n    return int('SECRET')", "raised ValueError 2"),
        ("def cohort(t, p):\n    return {}['SECRET']", "raised KeyError 2"),
        ("import numpy\ndef cohort(t, p):\n  numpy.linalg.inv([[0]])", "raised ValueError 3"),
        ("class SECRET(Exception): pass\ndef cohort(t, p):\n raise SECRET('x')",
         "raised Exception 3"),
        ("class KeyError(Exception): pass\ndef cohort(t, p):\n raise KeyError('x')",
         "raised Exception 3"),
        ("class SECRET(KeyError): pass\ndef cohort(t, p):\n raise SECRET('x')",
         "raised KeyError 3"),
        ("def cohort(t, p):\n    raise SystemExit('SECRET')", "raised SystemExit 2"),
        ("def other(t, p): pass", "raised KeyError 0"),
        ("def cohort(t, p):\n   SECRET !", "raised SyntaxError 2"),
        ("cohort = 3", "raised TypeError 0"),
        ("import SECRET", "raised ModuleNotFoundError 1"),
        ("def cohort(t, p):\n    return p['SECRET']", "raised KeyError 2"),
    ],
)  # fmt: skip
def test_an_exception_is_a_class_and_a_line_and_no_word_more(code, told):
    (word, _, rest), table = handed(code)
    assert (word, rest, table) == (told, "", None)


def test_running_out_of_memory_is_told_apart_from_other_exceptions():
    with pytest.raises(MemoryError):
        handed("def cohort(t, p):\n    raise MemoryError('SECRET')")


def test_code_gets_its_tables_and_typed_parameters():
    code = (
        "import datetime as dt\n"
        "def cohort(tables, parameters):\n"
        "    assert parameters == {'since': dt.date(2026, 1, 1), 'least': 3, 'ward': 'x'}\n"
        "    assert tables['t'].num_rows == 2\n"
        "    return 1\n"
    )
    head, _ = handed(code, since=dt.date(2026, 1, 1), least=3, ward="x")
    assert head[0] == "other"


def test_the_release_module_says_what_is_handed_over():
    frame = pd.DataFrame({"a": [1]})
    assert release.table(frame).unit == "unit"
    assert release.stat("odds", np.float32(2), units=3).value == 2.0
    assert pl.__version__


def test_a_process_that_runs_code_loads_little_before_it():
    """It starts several times a round: documents and Arrow's functions were half of that."""
    code = (
        "import json, sys; sys.path[:0] = json.loads(sys.argv[1]);"
        " import cleanroom.runner.analysis.code_child; print(json.dumps(sorted(sys.modules)))"
    )
    paths = json.dumps(places.import_path())
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, paths], capture_output=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "pyarrow" in loaded
    assert not loaded & {"pydantic", "pyarrow.compute", "duckdb", "cleanroom.contract.analysis"}
