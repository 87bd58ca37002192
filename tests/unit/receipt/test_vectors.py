# SPDX-License-Identifier: Apache-2.0
"""Receipts whose outcome is fixed for ever, read from their files alone."""

from __future__ import annotations

import pytest

from cleanroom.contract.agreement import ContractDigest
from cleanroom.errors import CleanroomError
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.receipt.verify import verify_receipt
from tests.support.receipt_vectors import LIES, VECTORS, load, load_room


@pytest.mark.parametrize("name", sorted(LIES))
def test_a_vector_ends_as_it_says(name):
    vector = load(name)
    room, contract = load_room()
    receipt = decode_base64(vector["receipt"], what="vector")
    trust = ContractDigest(digest=contract)
    if not vector["expect"]["step"]:
        assert verify_receipt(receipt, room=room, trust=trust).lines
        return
    lines = []
    with pytest.raises(CleanroomError) as caught:
        verify_receipt(receipt, room=room, trust=trust, report=lines.append)
    found = {"step": lines[-1].step, "error": type(caught.value).__name__}
    assert found == vector["expect"]


def test_every_vector_is_listed():
    assert {path.stem for path in VECTORS.glob("*.json")} == {"room", *LIES}
