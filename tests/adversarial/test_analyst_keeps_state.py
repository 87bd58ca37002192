# SPDX-License-Identifier: Apache-2.0
"""T-27: code marks whatever a process keeps, and looks for the marks where the next part is.

What one part of the people leaves behind would let another part write one person's value into
everybody's row. The same code, called twice in one process, finds every mark.
"""

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa
import pytest

from cleanroom.contract.analysis import MeasureColumn
from cleanroom.contract.types import ColumnType
from cleanroom.runner.analysis.code_job import read_answer
from cleanroom.runner.analysis.code_words import FRAME
from cleanroom.runner.analysis.computing import CodeRunner, Stopwatch
from cleanroom.runner.sandbox.memfd import sealed_memory
from tests.support.analyses import COHORT
from tests.support.crossing_tables import written
from tests.support.room_simulator import SMALL
from tests.support.sandboxes import KERNEL_LEVELS, confinement_or_skip
from tests.support.split_frames import people

AMOUNT = MeasureColumn(
    name="amount", type=ColumnType("double"), lower=Fraction(0), upper=Fraction(1000)
)
FRAMES = replace(COHORT, entry_point="f", groups=(), measures=(AMOUNT,))
# A trick a line: an expression that is true once the statement after it was run.
MARKING = b"""
import codecs, ctypes, decimal, gc, os, random, signal, sys, threading
import warnings
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

C = ctypes.CDLL(None)
C.fegetround.restype = ctypes.c_int

def known(name):
    try:
        return bool(codecs.lookup_error(name))
    except LookupError:
        return False

def default(kept=sys.__dict__.setdefault("kept", [])):
    return kept

TRICKS = [
    (lambda: hasattr(np, "mark"), lambda: setattr(np, "mark", 1)),
    (lambda: hasattr(pa.Table, "__mark__") or "mark" in sys.modules,
     lambda: sys.modules.update(mark=sys)),
    (lambda: pd.get_option("display.precision") == 13,
     lambda: pd.set_option("display.precision", 13)),
    (lambda: np.random.get_state()[1][0] == 4242, lambda: np.random.seed(4242)),
    (lambda: random.getstate()[1][1] == MARKED_STATE, lambda: random.seed(4242)),
    (lambda: np.geterr()["over"] == "raise", lambda: np.seterr(over="raise")),
    (lambda: np.get_printoptions()["precision"] == 13,
     lambda: np.set_printoptions(precision=13)),
    (lambda: "MARK" in os.environ, lambda: os.environ.update(MARK="1")),
    (lambda: C.fegetround() != 0, lambda: C.fesetround(0x400 if X86 else 0x800000)),
    (lambda: signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
     lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN)),
    (lambda: signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, []),
     lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])),
    (lambda: gc.get_threshold()[0] == 4242, lambda: gc.set_threshold(4242)),
    (lambda: sys.getrecursionlimit() == 4242, lambda: sys.setrecursionlimit(4242)),
    (lambda: sys.getswitchinterval() > 0.2, lambda: sys.setswitchinterval(0.25)),
    (lambda: decimal.getcontext().prec == 13, lambda: setattr(decimal.getcontext(), "prec", 13)),
    (lambda: known("mark"), lambda: codecs.register_error("mark", lambda e: ("", e.end))),
    (lambda: ("error", None, Warning, None, 4242) in warnings.filters,
     lambda: warnings.filters.append(("error", None, Warning, None, 4242))),
    (lambda: "mark" in sys.path, lambda: sys.path.append("mark")),
    (lambda: "mark" in default(), lambda: default().append("mark")),
    (lambda: threading.current_thread().name == "mark",
     lambda: setattr(threading.current_thread(), "name", "mark")),
    (lambda: pa.cpu_count() == 13, lambda: pa.set_cpu_count(13)),
    (lambda: "mark" in pc.list_functions(),
     lambda: pc.register_scalar_function(lambda context, x: x, "mark",
         {"summary": "", "description": ""}, {"x": pa.int64()}, pa.int64())),
]
X86 = os.uname().machine == "x86_64"
MARKED_STATE = random.Random(4242).getstate()[1][1]

def found():
    marks = [number for number, (marked, _) in enumerate(TRICKS) if marked()]
    for number, (_, mark) in enumerate(TRICKS):
        number in marks or mark()
    return marks

def f(t, p):
    table = t["t"]
    return pa.table({"unit": table["unit"], "amount": [float(len(found()))] * len(table)})
"""


def test_the_same_process_finds_every_mark():
    code = MARKING.decode() + "\nassert not found()\nprint(len(found()) == len(TRICKS))\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("level", KERNEL_LEVELS)
def test_another_part_finds_none_of_them(level):
    runner = CodeRunner(
        code=MARKING,
        analysis=FRAMES,
        parameters={},
        resources=SMALL,
        confinement=confinement_or_skip(level),
        watch=Stopwatch(SMALL.seconds),
    )
    for _ in range(2):
        with sealed_memory("t", lambda file: file.write(written(people(20)))) as table:
            answer = runner.run({"t": table})
        frame = pa.ipc.open_stream(bytes(read_answer(answer, code=MARKING, wanted=FRAME)))
        assert set(frame.read_all().column("amount").to_pylist()) == {0.0}
