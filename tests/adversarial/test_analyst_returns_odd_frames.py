# SPDX-License-Identifier: Apache-2.0
"""T-23: frames of every odd shape end in the word for it, or as nothing but the declared values."""

import json
from contextlib import ExitStack
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from cleanroom.errors import QueryFailedError
from cleanroom.runner.analysis.code_job import read_answer
from cleanroom.runner.analysis.code_words import FRAME
from cleanroom.runner.analysis.frames import Round, clean_frame, encode_rounds
from cleanroom.runner.analysis.frames_child import Refused
from cleanroom.runner.analysis.frames_child import clean_frame as judge_frames
from cleanroom.runner.sandbox.memfd import sealed_memory
from tests.support.crossing_tables import written
from tests.support.frames import ANALYSIS, GOOD, MEMBERS, PEOPLE, SCHEMA
from tests.support.sandboxes import host


class Spelled(pa.ExtensionType):
    """A type whose name and metadata say something."""

    def __init__(self):
        super().__init__(pa.string(), "SECRET")

    def __arrow_ext_serialize__(self):
        return b"SECRET"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()


def column(name, values):
    place = GOOD.column_names.index(name)
    return GOOD.set_column(place, name, values)


NAMES = GOOD.column("programme").combine_chunks()
AMOUNTS = GOOD.column("amount").combine_chunks()
RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array(["standard"]))
ODD = {
    "dictionary": column("programme", NAMES.dictionary_encode()),
    "extension": column("programme", pa.ExtensionArray.from_storage(Spelled(), NAMES)),
    "view": column("programme", NAMES.cast(pa.string_view())),
    "large text": column("programme", NAMES.cast(pa.large_string())),
    "binary": column("programme", NAMES.cast(pa.binary())),
    "run-end encoded": column("programme", RUNS),
    "a list": column("amount", pa.array([[1.5], [], None])),
    "a fixed list": column("amount", pa.array([[1.5]] * 3, pa.list_(pa.float64(), 1))),
    "a structure": column("amount", pa.array([{"SECRET": 1.5}] * 3)),
    "a map": column("amount", pa.array([[("SECRET", 1.5)]] * 3, pa.map_("string", "double"))),
    "a union": column("amount", pa.UnionArray.from_sparse(pa.array([0] * 3, pa.int8()), [AMOUNTS])),
    "smaller numbers": column("visits", pa.array([3, -5, None], pa.int32())),
    "unsigned numbers": column("visits", pa.array([3, 2**64 - 1, None], pa.uint64())),
    "a half": column("amount", pa.array(np.array([1, 2, 3], np.float16))),
    "wider decimals": column("cost", GOOD["cost"].cast(pa.decimal256(50, 2))),
    "nothing typed": column("amount", pa.nulls(3)),
    "another order": GOOD.select(GOOD.column_names[::-1]),
    "a column more": GOOD.append_column("SECRET", pa.array([1, 2, 3])),
    "a column twice": GOOD.append_column("unit", GOOD["unit"]),
    "a column less": GOOD.drop_columns("cost"),
}


def judged(data):
    """Judge one frame in this process, which nothing here can hurt."""
    request = json.loads(encode_rounds([], ANALYSIS))
    with ExitStack() as held:
        files = [
            held.enter_context(sealed_memory("x", lambda file, data=data: file.write(data)))
            for data in (MEMBERS, data)
        ]
        request["rounds"] = [{"members": files[:1], "frames": files[1:]}]
        try:
            return judge_frames(request)
        except Refused as refused:
            return refused.word


@pytest.mark.parametrize("what", ODD)
def test_another_type_order_or_number_of_columns_is_another_schema(what):
    assert judged(written(ODD[what])) == "crossing.schema"


@pytest.mark.parametrize(
    ("name", "values", "word"),
    [
        ("programme", pa.array(["standard", "SECRET", None]), "analysis.group-value"),
        ("week", pa.array([0, 2**62, None]), "analysis.group-value"),
        ("unit", pa.array([PEOPLE[0], PEOPLE[0], PEOPLE[1]]), "analysis.two-rows"),
        ("unit", pa.array([PEOPLE[0], PEOPLE[1].upper() + "0", PEOPLE[2]]), "analysis.unit"),
        ("unit", pa.array([PEOPLE[0], None, PEOPLE[2]]), "analysis.unit"),
        ("programme", pa.StringArray.from_buffers(
            3, pa.py_buffer(np.array([0, 2, 4, 6], np.int32)), pa.py_buffer(b"\xff" * 6)
        ), "crossing.values"),
    ],
)  # fmt: skip
def test_values_that_nobody_declared_are_named(name, values, word):
    assert judged(written(column(name, values))) == word


def test_a_clean_frame_is_the_declared_values_and_nothing_else():
    """What NaN, signs, huge numbers, hidden bytes, chunks and metadata could spell is gone."""
    quiet = np.frombuffer(
        np.array([0x7FF8_5345_4352_4554, 0x8000_0000_0000_0000], np.uint64).tobytes()
    )
    frame = column("amount", pa.array([quiet[0], quiet[1], np.inf], from_pandas=False))
    place = frame.column_names.index("visits")
    frame = frame.set_column(place, "visits", pa.array([2**63 - 1, -(2**63), None]))
    frame = frame.replace_schema_metadata({"SECRET": "SECRET"})
    split = pa.concat_tables([frame.slice(0, 1), frame.slice(1)])
    clean = judged(written(split))
    assert clean.schema.equals(SCHEMA, check_metadata=True)
    assert [column.num_chunks for column in clean.columns] == [1] * clean.num_columns
    assert clean.column("amount").to_pylist() == [None, 0.0, None]
    assert not np.signbit(clean.column("amount")[1].as_py())
    assert clean.column("visits").to_pylist() == [1000, 0, None]
    assert clean.column("cost").to_pylist() == [Decimal("1.25"), None, Decimal("1000.00")]
    assert b"SECRET" not in written(clean)
    assert written(clean) == written(judged(written(frame)))


def crossing(data):
    """Let a run's own throw-away process judge one frame, which must not pass."""
    with (
        sealed_memory("m", lambda file: file.write(MEMBERS)) as members,
        sealed_memory("f", lambda file: file.write(data)) as frame,
        pytest.raises(QueryFailedError) as refused,
        clean_frame(
            [Round(members=(members,), frames=(frame,))],
            analysis=ANALYSIS,
            confinement=host().best,
            frame_bytes=len(data),
        ),
    ):
        pytest.fail("something crossed")
    return refused.value


@pytest.mark.slow
def test_a_frame_that_unpacks_to_more_than_there_is_memory_ends_its_own_process():
    """Twenty kilobytes that are seven hundred megabytes: no limit on bytes sees that."""
    bomb = column("programme", pa.array(["x" * 700_000_000, None, None]))
    data = written(bomb, compression="zstd")
    assert len(data) < 1 << 20
    assert crossing(data).code == "crossing.malformed"


RAW = b"""
import os
def f(t, p):
    for file in range(64):
        try:
            os.write(file, b"frame\\n" + DATA)
        except OSError:
            pass
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["dictionary", "extension"])
def test_bytes_that_code_writes_past_our_own_reach_nobody_but_the_judge(what):
    """The code owns its process: it can leave our words out and answer by itself."""
    from tests.adversarial.test_analyst_speaks_for_others import ran  # noqa: PLC0415 - slow only

    code = b"DATA = " + repr(written(ODD[what])).encode() + RAW
    data = read_answer(ran(code), code=code, wanted=FRAME)
    refused = crossing(data)
    assert refused.code == "crossing.schema"
    assert "SECRET" not in f"{refused.message}{refused.hint}"
