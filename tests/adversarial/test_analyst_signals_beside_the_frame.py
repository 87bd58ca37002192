# SPDX-License-Identifier: Apache-2.0
"""T-27: approved Python tells another part of its run what it saw, beside the frame."""

import os
import threading
import time
from contextlib import ExitStack

import pyarrow as pa
import pytest

from cleanroom.errors import QueryFailedError
from cleanroom.runner.analysis.code_job import agreed_answers, read_answer
from cleanroom.runner.analysis.code_words import FRAME
from cleanroom.runner.analysis.computing import CodeRunner, Stopwatch, at_once
from cleanroom.runner.analysis.exporting import each_its_own
from cleanroom.runner.sandbox.memfd import copied_memory, sealed_memory
from tests.adversarial.test_analyst_speaks_for_others import FRAMES
from tests.support.crossing_tables import written
from tests.support.room_simulator import SMALL
from tests.support.sandboxes import KERNEL_LEVELS, confinement_or_skip, host
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


def runner_of(code, *, spent=0, level=None):
    """Return what runs code in processes of its own, some seconds after the run began."""
    return CodeRunner(
        code=code,
        analysis=FRAMES,
        parameters={},
        resources=SMALL,
        confinement=confinement_or_skip(level) if level else host().best,
        watch=Stopwatch(SMALL.seconds, time.monotonic() - spent),
    )


def amounts(answer, code):
    data = read_answer(answer, code=code, wanted=FRAME)
    return pa.ipc.open_stream(bytes(data)).read_all().column("amount").to_pylist()


def told(*, spent):
    with sealed_memory("t", lambda file: file.write(written(people(4)))) as table:
        return amounts(runner_of(TELLING, spent=spent).run({"t": table}), TELLING)


def test_a_part_hears_nothing_of_how_long_others_took_or_what_they_used():
    limits, *kernel = told(spent=0)
    assert kernel == [0.0, 0.0, 0.0]
    assert told(spent=20) == [limits, 0.0, 0.0, 0.0]


# The victim's part waits at a place of the interpreter that spells the amount; the others
# wake whoever waits at any place, and write down where somebody did.
MEETING = b"""
import ctypes, errno, platform, struct, time
import pyarrow as pa

FUTEX = {"x86_64": 202, "aarch64": 98}[platform.machine()]
PLACES, AMOUNT = 64, 42

def f(t, p):
    kernel, table = ctypes.CDLL(None, use_errno=True), t["t"]
    base = ctypes.cast(kernel.qsort, ctypes.c_void_p).value & ~4095
    place = lambda number: ctypes.c_void_p(base + 4 * number)
    found, end = 0, time.monotonic() + 5
    while not found and time.monotonic() < end:
        if any(table["victim"].to_pylist()):
            word = ctypes.c_uint32.from_address(base + 4 * AMOUNT).value
            wait = ctypes.create_string_buffer(struct.pack("=qq", 1, 0))
            if kernel.syscall(FUTEX, place(AMOUNT), 0, word, wait, None, 0) == 0:
                found = AMOUNT
            elif ctypes.get_errno() == errno.EAGAIN:
                break
        else:
            woken = [kernel.syscall(FUTEX, place(n), 1, 1, None, None, 0) for n in range(PLACES)]
            if min(woken) < 0:
                break
            found = next((n for n, count in enumerate(woken) if count), 0)
            time.sleep(0.001)
    return pa.table({"unit": table["unit"], "amount": [float(found)] * len(table)})
"""


@pytest.mark.parametrize("level", KERNEL_LEVELS)
def test_two_parts_do_not_meet_at_a_place_of_a_file_that_both_have_mapped(level):
    """A futex is shared by whoever maps the same file, in whichever namespace it lives."""
    table = people(2).set_column(2, "victim", [[True, False]])
    with (
        sealed_memory("t", lambda file: file.write(written(table.slice(0, 1)))) as victim,
        sealed_memory("t", lambda file: file.write(written(table.slice(1)))) as other,
    ):
        runner = runner_of(MEETING, level=level)
        answers = at_once(runner.try_run, [{"t": victim}, {"t": other}])
    assert [amounts(answer, MEETING) for answer in answers] == [[0.0], [0.0]]


APART = b"""
import os, time
import pyarrow as pa

def f(t, p):
    reached = 0
    for process in {os.getppid(), os.getpid()}:
        try:
            reached += time.clock_gettime((~process << 3) | 2) > 0
        except PermissionError:
            pass
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/proc/self", "/proc/self/cgroup"):
        try:
            reached += bool(os.open(place, os.O_RDONLY))
        except OSError:
            pass
    return pa.table({"unit": t["t"]["unit"], "amount": [float(reached)] * len(t["t"])})
"""


@pytest.mark.parametrize("level", KERNEL_LEVELS)
def test_a_part_reads_no_clock_and_no_counter_of_another_process(level):
    with sealed_memory("t", lambda file: file.write(written(people(1)))) as table:
        answer = runner_of(APART, level=level).run({"t": table})
    assert amounts(answer, APART) == [0.0]


def test_all_parts_of_a_round_start_before_any_of_them_ends():
    """Whoever starts when another ends reads from the clock what that one spelled by its end."""
    parts = [{"t": number} for number in range(4)]
    together = threading.Barrier(len(parts))

    def run(part):
        together.wait(timeout=300)
        return str(part["t"]).encode()

    assert at_once(run, parts) == [b"0", b"1", b"2", b"3"]


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


def test_every_part_is_given_a_table_that_no_other_part_has_open():
    with ExitStack() as held, sealed_memory("rows", lambda file: file.write(b"rows")) as first:
        given = each_its_own([first], 4, held)
        assert len({os.fstat(file).st_ino for file in given}) == 4
        assert [os.pread(file, 9, 0) for file in given] == [b"rows"] * 4
        for number, file in enumerate(given):
            os.lseek(file, number, os.SEEK_SET)
        assert [os.lseek(file, 0, os.SEEK_CUR) for file in given] == [0, 1, 2, 3]
        assert each_its_own(given, 4, held) == given


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
