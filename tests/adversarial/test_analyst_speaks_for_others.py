# SPDX-License-Identifier: Apache-2.0
"""T-27: approved Python makes one person count as many, or carries a value out beside the frame."""

from dataclasses import replace
from fractions import Fraction

import pyarrow as pa
import pytest

from cleanroom.contract.analysis import MeasureColumn
from cleanroom.contract.map_rounds import rounds_of
from cleanroom.contract.types import ColumnType
from cleanroom.errors import DisclosureRefusedError, QueryFailedError
from cleanroom.receipt.model import Answered
from cleanroom.runner.analysis.code_job import read_answer
from cleanroom.runner.analysis.code_words import FRAME
from cleanroom.runner.analysis.computing import CodeRunner, Stopwatch
from cleanroom.runner.sandbox.memfd import sealed_memory
from tests.support.analyses import COHORT, COHORT_CODE, analysis_room, approved, proposed
from tests.support.crossing_tables import written
from tests.support.room_simulator import SMALL
from tests.support.sandboxes import host
from tests.support.split_frames import judged, people

AMOUNT = MeasureColumn(
    name="amount", type=ColumnType("double"), lower=Fraction(0), upper=Fraction(1000)
)
FRAMES = replace(COHORT, entry_point="f", groups=(), measures=(AMOUNT,))
HONEST = b"def f(t, p):\n    return t['t']"
# Everybody gets the victim's amount, where the victim is.
EVERYBODY = b"""
import pyarrow as pa, pyarrow.compute as pc
def f(t, p):
    table = t["t"]
    most = pc.max(table["amount"]).as_py() or 0.0
    return pa.table({"unit": table["unit"], "amount": [most] * len(table)})
"""
# The best plan of a forger: the first k - 1 people, in an order agreed beforehand.
FIRST = b"""
import pyarrow as pa, pyarrow.compute as pc
def f(t, p):
    table = t["t"].sort_by("unit")
    amounts = table["amount"].to_pylist()
    if max(amounts, default=0.0) > 1:
        amounts[: %d] = [1000.0] * min(%d, len(amounts))
    return pa.table({"unit": table["unit"], "amount": amounts})
"""
COUNTED = b"""
import pyarrow as pa
def f(t, p):
    return pa.table({"unit": t["t"]["unit"], "amount": [float(len(t["t"]))] * len(t["t"])})
"""
CHANCE = b"""
import random, pyarrow as pa
def f(t, p):
    return pa.table({"unit": t["t"]["unit"], "amount": [random.random() for _ in t["t"]["unit"]]})
"""


@pytest.mark.parametrize("k", [3, 10])
def test_a_map_over_units_passes_and_keeps_every_value(k):
    table = people(60)
    clean = judged(HONEST, analysis=FRAMES, rounds=rounds_of(k), table=table, seed=k)
    assert clean.column("amount").to_pylist() == (
        table.sort_by("unit").column("amount").to_pylist()
    )


@pytest.mark.parametrize("code", [EVERYBODY, COUNTED, CHANCE])
def test_what_depends_on_who_else_is_there_or_on_chance_is_no_map(code):
    assert judged(code, analysis=FRAMES, rounds=2, table=people(60), seed=1) == "analysis.not-a-map"


@pytest.mark.parametrize("k", [3, 5, 10])
def test_the_best_plan_of_a_forger_is_noticed_every_time(k):
    for seed in range(12):
        code = FIRST % (k - 1, k - 1)
        found = judged(code, analysis=FRAMES, rounds=rounds_of(k), table=people(80), seed=seed)
        assert found == "analysis.not-a-map"


def handing(expression):
    return (
        "import pyarrow as pa\nimport pyarrow.compute as pc\n"
        f"def f(t, p):\n    t = t['t']\n    return {expression}"
    ).encode()


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (handing("pa.concat_tables([t.slice(0, 1), t.slice(0, 1)])"), "analysis.two-rows"),
        (handing("pa.concat_tables([t, t])"), "crossing.rows"),
        (handing("t.slice(1).set_column(0, 'unit', pc.utf8_upper(t.slice(1)['unit']))"),
         "analysis.unit"),
        (handing("pa.table({'unit': ['0' * 32], 'amount': [1.0]})"), "analysis.unit"),
        (handing("__import__('pickle').dumps(t)"), "crossing.malformed"),
        (handing("pa.table({'unit': t['unit'], 'amount': [[1.0]] * len(t)})"),
         "crossing.malformed"),
    ],
)  # fmt: skip
def test_a_frame_that_is_not_one_row_a_unit_of_this_part_is_refused(code, word):
    assert judged(code, analysis=FRAMES, rounds=1, table=people(60), seed=2) == word


def ran(code, **resources):
    """Run code in one confined process over a few people and return its whole answer."""
    asked = replace(SMALL, **resources)
    runner = CodeRunner(
        code=code,
        analysis=FRAMES,
        parameters={},
        resources=asked,
        confinement=host().best,
        watch=Stopwatch(asked.seconds),
    )
    with sealed_memory("t", lambda file: file.write(written(people(20)))) as table:
        return runner.run({"t": table})


TALKING = b"""
import os, sys
print("SECRET"); print("SECRET", file=sys.stderr); sys.__stdout__.write("SECRET")
for file in range(3, 64):
    try:
        os.write(file, b"SECRET")
    except OSError:
        pass
def f(t, p):
    raise ValueError("SECRET")
"""


def test_whatever_code_writes_wherever_it_is_not_an_answer():
    answer = ran(TALKING)
    with pytest.raises(QueryFailedError) as refused:
        read_answer(answer, code=TALKING, wanted=FRAME)
    assert refused.value.code == "analysis.handed-over"
    assert "SECRET" not in f"{refused.value.message}{refused.value.hint}"


FLOODING = b"""
import os
def f(t, p):
    data = bytes(1 << 20)
    for file in range(3, 64):
        try:
            for _ in range(200):
                os.write(file, data)
        except OSError:
            pass
"""
HARMFUL = {
    "two hundred megabytes": (FLOODING, {}, "sandbox.output"),
    "more than it may return": (FLOODING, {"result_mib": 1}, "sandbox.output"),
    "processor time": (
        b"def f(t, p):\n    while True: pass",
        {"processor_seconds": 10},
        "sandbox.processor",
    ),
    "an endless loop": (b"def f(t, p):\n    while True: pass", {"seconds": 3}, "sandbox.time"),
    "sleep": (b"def f(t, p):\n    import time; time.sleep(99)", {"seconds": 3}, "sandbox.time"),
    "memory": (b"def f(t, p):\n    return len(bytearray(8 << 30))", {}, "sandbox.memory"),
    "memory in small pieces": (
        b"def f(t, p):\n    kept = []\n    while True: kept.append(bytearray(1 << 20))",
        {"memory_mib": 64},
        "sandbox.memory",
    ),
    "a crash": (b"def f(t, p):\n    import ctypes; ctypes.string_at(0)", {}, "sandbox.crashed"),
    "an exit": (b"def f(t, p):\n    import os; os._exit(9)", {}, "sandbox.failed"),
    "a forged lack of memory": (b"def f(t, p):\n    import os; os._exit(75)", {}, "sandbox.memory"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", HARMFUL)
def test_harm_ends_in_its_own_word(what):
    code, resources, word = HARMFUL[what]
    with pytest.raises(QueryFailedError) as refused:
        ran(code, **resources)
    assert refused.value.code == word


STATEFUL = b"""
import builtins, pathlib, sys
import pyarrow as pa
seen = getattr(builtins, "seen", 0)
builtins.seen = seen + 1
for place in ("/tmp", "/dev/shm", "/var/tmp", pa.__path__[0]):
    try:
        (pathlib.Path(place) / "cleanroom-was-here").write_text("x")
        seen += 1
    except OSError:
        pass
def f(t, p):
    return pa.table({"unit": t["t"]["unit"], "amount": [float(seen)] * len(t["t"])})
"""
ESCAPING = {
    "a new process": b"import os\ndef f(t, p):\n    os.fork()",
    "many processes": b"import os\ndef f(t, p):\n    while True: os.fork()",
    "a program": b"import subprocess\ndef f(t, p):\n    subprocess.run(['/bin/true'])",
    "a socket": b"import socket\ndef f(t, p):\n    socket.socket()",
    "a signal": b"import os\ndef f(t, p):\n    os.kill(os.getppid(), 9)",
}


@pytest.mark.slow
def test_nothing_is_carried_from_one_part_to_the_next():
    for _ in range(2):
        table = pa.ipc.open_stream(bytes(read_answer(ran(STATEFUL), code=STATEFUL, wanted=FRAME)))
        assert set(table.read_all().column("amount").to_pylist()) == {0.0}


@pytest.mark.slow
@pytest.mark.parametrize("what", ESCAPING)
def test_what_the_sandbox_forbids_is_an_exception_of_the_code(what):
    code = ESCAPING[what]
    with pytest.raises(QueryFailedError) as refused:
        read_answer(ran(code), code=code, wanted=FRAME)
    lines = code.count(b"\n") + 1
    assert refused.value.message == f"analysis: PermissionError at line {lines}"


VICTIMS = COHORT_CODE.replace(
    b"    return frame",
    b"    if max(frame['days'].to_pylist(), default=0) > 1:\n"
    b"        raise ValueError(f'SECRET {frame}')\n    return frame",
)
FORGED = COHORT_CODE.replace(
    b"    return frame",
    b"    import pyarrow.compute as pc\n"
    b"    most = pc.max(frame['days_sum'])\n"
    b"    frame = frame.set_column(2, 'days', pa.array([most.as_py()] * len(frame)))\n"
    b"    return frame",
)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    room = analysis_room(tmp_path_factory.mktemp("room"))
    yield room
    room.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "name", "word"),
    [
        (VICTIMS, "raising", "analysis.raised"),
        (FORGED, "forging", "analysis.not-a-map"),
        (b"def cohort(t, p):\n    return t['hospital.stays']", "raw", "analysis.handed-over"),
    ],
)
def test_along_the_whole_line_it_is_a_refusal_that_costs_what_was_reserved(
    simulator, code, name, word
):
    query = approved(simulator, proposed(code, name=name))
    run = simulator.execute_request(query, run=f"analysis-{name}")
    body = simulator.verify(run).body
    assert body.answered is Answered.REFUSED
    with pytest.raises(DisclosureRefusedError) as refused:
        simulator.result(run)
    assert refused.value.code == word
    assert "SECRET" not in f"{refused.value.message}{refused.value.hint}"
