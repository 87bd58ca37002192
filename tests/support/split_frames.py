# SPDX-License-Identifier: Apache-2.0
"""Rounds of an analysis in this process: split, computed and judged as a run does it."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack

import numpy as np
import pyarrow as pa

from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.contract.map_rounds import PARTS
from cleanroom.runner.analysis import frames
from cleanroom.runner.analysis.code_child import computed
from cleanroom.runner.analysis.code_job import encode_code_job
from cleanroom.runner.analysis.frames_child import Refused, clean_frame
from cleanroom.runner.sandbox.memfd import sealed_memory
from tests.support.crossing_tables import written

VICTIM = 17


def people(count: int) -> pa.Table:
    """Return one row a person; one of them is the victim, and has its own amount."""
    tokens = [secrets.token_hex(16) for _ in range(count)]
    amounts = [1000.0 if number == VICTIM else 1.0 for number in range(count)]
    victims = [number == VICTIM for number in range(count)]
    return pa.table({"unit": tokens, "amount": amounts, "victim": victims})


def judged(
    code: bytes, *, analysis: PythonAnalysis, rounds: int, table: pa.Table, seed: int
) -> pa.Table | str:
    """Return the clean frame, or the word of the rule that it breaks."""
    request = json.loads(frames.encode_rounds([], analysis))
    chance = np.random.default_rng(seed)  # a split that a test can repeat
    with ExitStack() as held:
        for _ in range(rounds):
            split = pa.array(chance.integers(PARTS, size=table.num_rows))
            made = [_part(table.filter(pa.compute.equal(split, part)), code, analysis, held)
                    for part in range(PARTS)]  # fmt: skip
            request["rounds"].append(
                {"members": [one for one, _ in made], "frames": [other for _, other in made]}
            )
        try:
            return clean_frame(request)
        except Refused as refused:
            return refused.word


def _part(
    rows: pa.Table, code: bytes, analysis: PythonAnalysis, held: ExitStack
) -> tuple[int, int]:
    job = json.loads(encode_code_job(b"", analysis=analysis, parameters={}, tables={"t": 0}))
    head, frame = computed(job, code, tables={"t": rows})
    data = head if frame is None else written(frame)
    return (
        held.enter_context(sealed_memory("u", lambda f: f.write(written(rows.select(["unit"]))))),
        held.enter_context(sealed_memory("f", lambda f: f.write(data))),
    )
