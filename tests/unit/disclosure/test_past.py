# SPDX-License-Identifier: Apache-2.0
"""What the state remembers reads back exactly, and nothing else is taken for it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.disclosure.past import decode_cells, encode_cells
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from tests.support.gate_disclosure import cell, vector

CELLS = (cell(vector(range(5), members=True), vector(range(3), namespace="pk")), cell())
GOOD = json.loads(encode_cells(CELLS))


def test_cells_round_trip():
    assert decode_cells(encode_cells(CELLS)) == CELLS
    assert decode_cells(encode_cells(())) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "cleanroom.cells.v1"},
        {"hash": "duckdb-3.0.0"},
        {"cells": {}},
        {"cells": [{}]},
        {"cells": [["x"]]},
        {"cells": [[{}]]},
        {"cells": [[{"namespace": "a", "members": 1, "fingerprints": ""}]]},
        {"cells": [[{"namespace": "a", "members": True, "fingerprints": "AAAA"}]]},
        {"cells": [[{"namespace": "a", "members": True, "fingerprints": "?"}]]},
        {"extra": 1},
    ],
)
def test_anything_else_is_refused(change):
    with pytest.raises(MalformedError, match=r"^disclosure state:"):
        decode_cells(canonical_json({**GOOD, **change}))


def test_a_list_is_no_state():
    with pytest.raises(MalformedError):
        decode_cells(b"[]")


def test_unsorted_fingerprints_are_refused():
    one = vector(range(2))
    turned = one.fingerprints[8:] + one.fingerprints[:8]
    changed = type(one)(namespace="pid", members=True, fingerprints=turned)
    with pytest.raises(MalformedError):
        decode_cells(encode_cells([cell(changed)]))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_by_name(data):
    with pytest.raises(MalformedError):
        decode_cells(data)
