# SPDX-License-Identifier: Apache-2.0
"""T-27: approved Python tells another part of its run what it saw, beside the frame."""

import os
import time

import pyarrow as pa
import pytest

from cleanroom.errors import QueryFailedError
from cleanroom.runner.analysis.code_job import FRAME, agreed_answers, read_answer
from cleanroom.runner.analysis.computing import CodeRunner, Stopwatch
from cleanroom.runner.sandbox.memfd import copied_memory, sealed_memory
from tests.adversarial.test_analyst_speaks_for_others import FRAMES
from tests.support.crossing_tables import written
from tests.support.room_simulator import SMALL
from tests.support.sandboxes import host
from tests.support.split_frames import judged, people

# Limits that follow the clock of the run; memory and load of the machine; faults that others
# spared it; pages that others have read.
TELLING = b"""
import ctypes, resource, struct
import pyarrow as pa

def f(t, p):
    kernel, space = ctypes.CDLL(None), ctypes.create_string_buffer(4096)
    limits = repr([resource.getrlimit(number) for number in range(16)]).encode()
    with open(pa.__file__, "rb") as file:
        parts = (ctypes.c_void_p * 2)(ctypes.addressof(space), 4096)
        cached = kernel.preadv2(file.fileno(), parts, 1, ctypes.c_long(0), 8)
    works = [kernel.sysinfo(space) == 0, kernel.getrusage(0, space) == 0, cached >= 0]
    told = [float(sum(limits)), *map(float, works)]
    return pa.table({"unit": t["t"]["unit"], "amount": told})
"""


def told(*, spent):
    """Run code in a process of its own, some seconds after the run began."""
    runner = CodeRunner(
        code=TELLING,
        analysis=FRAMES,
        parameters={},
        resources=SMALL,
        confinement=host().best,
        watch=Stopwatch(SMALL.seconds, time.monotonic() - spent),
    )
    with sealed_memory("t", lambda file: file.write(written(people(4)))) as table:
        data = read_answer(runner.run({"t": table}), code=TELLING, wanted=FRAME)
    return pa.ipc.open_stream(bytes(data)).read_all().column("amount").to_pylist()


def test_a_part_hears_nothing_of_how_long_others_took_or_what_they_used():
    limits, *kernel = told(spent=0)
    assert kernel == [0.0, 0.0, 0.0]
    assert told(spent=20) == [limits, 0.0, 0.0, 0.0]


def test_a_public_table_is_a_copy_of_its_own_in_every_part():
    with (
        sealed_memory("rows", lambda file: file.write(b"0123456789" * 1000)) as first,
        copied_memory(first) as second,
    ):
        assert os.pread(second, 20_000, 0) == os.pread(first, 20_000, 0)
        before = os.lseek(second, 0, os.SEEK_CUR)
        os.lseek(first, 4242, os.SEEK_SET)
        assert os.lseek(second, 0, os.SEEK_CUR) == before
        assert os.fstat(first).st_ino != os.fstat(second).st_ino
        with pytest.raises(PermissionError):
            os.pwrite(second, b"x", 0)


def test_nothing_is_copied_of_an_empty_table():
    with sealed_memory("rows", lambda file: file.flush()) as first, copied_memory(first) as second:
        assert os.fstat(second).st_size == 0


ORDER = b"""
import pyarrow as pa
def f(t, p):
    table = t["t"].sort_by("unit")
    return pa.table({"unit": table["unit"], "amount": [float(i) for i in range(len(table))]})
"""
WITNESS = b"""
import pyarrow as pa
def f(t, p):
    table = t["t"]
    if any(table["victim"].to_pylist()):
        table = table.slice(1)
    return pa.table({"unit": table["unit"], "amount": [1.0] * len(table)})
"""
KEPT = b"""
import builtins, pyarrow as pa
def f(t, p):
    builtins.round_number = number = getattr(builtins, "round_number", 0) + 1
    return pa.table({"unit": t["t"]["unit"], "amount": [float(number)] * len(t["t"])})
"""


@pytest.mark.parametrize("code", [ORDER, WITNESS, KEPT], ids=["order", "witness", "state"])
def test_place_company_and_state_make_no_map(code):
    try:
        assert (
            judged(code, analysis=FRAMES, rounds=2, table=people(60), seed=3)
            == "analysis.not-a-map"
        )
    finally:
        vars(__import__("builtins")).pop("round_number", None)  # this process is one for all


CODE = b"\n" * 50
ALIKE = b"raised KeyError 7\n"
SPELLED = b"raised KeyError 42\n"
FINE = b"frame\nbytes"


def refusal(*answers):
    with pytest.raises(QueryFailedError) as refused:
        agreed_answers(answers, code=CODE)
    return refused.value


def test_a_mistake_that_every_part_makes_is_told_with_its_line():
    assert refusal(*[ALIKE] * 4).message == "analysis: KeyError at line 7"
    assert refusal(*[b"other\n"] * 4).code == "analysis.handed-over"


@pytest.mark.parametrize(
    "answers",
    [
        (FINE, SPELLED, FINE, FINE),
        (ALIKE, ALIKE, ALIKE, SPELLED),
        (ALIKE, ALIKE, b"raised OSError 7\n", ALIKE),
        (ALIKE, b"other\n", ALIKE, ALIKE),
    ],
)
def test_a_line_that_somebody_provokes_is_not_told(answers):
    """A line is sixteen bits: enough to spell what somebody earns."""
    refused = refusal(*answers)
    assert refused.code == "analysis.raised"
    assert not {"KeyError", "42", "7"} & set(refused.message.split())


def test_how_one_process_died_is_one_word_of_a_short_list():
    died = QueryFailedError("sandbox: more memory", code="sandbox.memory")
    assert refusal(FINE, died, FINE).code == "sandbox.memory"
    other = QueryFailedError("sandbox: too long", code="sandbox.time")
    assert refusal(other, died).code == "analysis.raised"
    assert [bytes(item) for item in agreed_answers([FINE, FINE], code=CODE)] == [b"bytes"] * 2
