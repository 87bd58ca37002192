# SPDX-License-Identifier: Apache-2.0
import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.ledger.checkpoint import (
    Checkpoint,
    log_origin,
    require_same_tree,
    verify_checkpoint,
)
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.ledger.merkle import EMPTY_ROOT, leaf_hash
from cleanroom.ledger.note import sign_note
from tests.support.logs import KEY, ORIGIN, PUBLIC_KEY

ROOT = bytes(range(32))
GOOD = Checkpoint(origin=ORIGIN, size=7, root=ROOT)
WRITTEN_ROOT = base64.b64encode(ROOT).decode()


def verify(data, *, origin=ORIGIN, public_key=PUBLIC_KEY):
    return verify_checkpoint(data, origin=origin, public_key=public_key)


def signed_text(text, *, name=ORIGIN):
    return sign_note(text, name=name, key=KEY)


@given(st.integers(1, 2**53 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_survives_the_wire(size, root):
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=root)
    assert verify(checkpoint.sign(KEY)) == checkpoint


def test_the_text_is_the_published_three_lines():
    text = GOOD.sign(KEY).decode().partition("\n\n")[0]
    assert text == f"{ORIGIN}\n7\n{WRITTEN_ROOT}"


def test_the_log_of_a_party_has_one_name():
    assert log_origin("hospital") == ORIGIN


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n7\n{WRITTEN_ROOT}\nextension\n",
        f"{ORIGIN}\n7\n{WRITTEN_ROOT}\n\n",
        f"\n7\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n07\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n-7\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n+7\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n7 \n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n\u0667\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n{2**53}\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n{10**16}\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n\n{WRITTEN_ROOT}\n",
        f"{ORIGIN}\n7\n{WRITTEN_ROOT[:-4]}\n",
        f"{ORIGIN}\n7\n{WRITTEN_ROOT[:-1]}\n",
        f"{ORIGIN}\n0\n{WRITTEN_ROOT}\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(MalformedError, match="^checkpoint"):
        verify(signed_text(text))


def test_the_checkpoint_of_another_log_signed_by_the_same_key_is_refused():
    # The key's name says this log, the text says another.
    data = signed_text(f"cleanroom/log/v0/insurer\n7\n{WRITTEN_ROOT}\n")
    with pytest.raises(IntegrityError, match="^checkpoint: of log") as refused:
        verify(data)
    assert refused.value.code == "ledger.origin"


def test_a_long_origin_does_not_make_a_long_message():
    with pytest.raises(IntegrityError) as refused:
        verify(signed_text(f"{'x' * 30000}\n7\n{WRITTEN_ROOT}\n"))
    assert len(refused.value.message) < 250


def test_a_checkpoint_by_another_key_is_refused():
    with pytest.raises(IntegrityError, match="^checkpoint: not signed"):
        verify(GOOD.sign(KEY), public_key=bytes(31) + b"\x01")


def test_two_trees_of_one_size_are_a_split_view():
    with pytest.raises(IntegrityError, match="^checkpoint: two different trees") as refused:
        require_same_tree(GOOD, replace(GOOD, root=EMPTY_ROOT))
    assert refused.value.code == "ledger.split-view"


def test_one_tree_or_trees_of_other_sizes_are_no_split_view():
    require_same_tree(GOOD, replace(GOOD))
    require_same_tree(GOOD, replace(GOOD, size=8, root=EMPTY_ROOT))


def test_an_entry_in_a_signed_tree_gives_its_checkpoint():
    entry = b"sha256:0\n"
    checkpoint = Checkpoint(origin=ORIGIN, size=1, root=leaf_hash(entry))
    arguments = {
        "index": 0,
        "proof": (),
        "checkpoint": checkpoint.sign(KEY),
        "origin": ORIGIN,
        "public_key": PUBLIC_KEY,
    }
    assert verify_entry(entry, **arguments) == checkpoint
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        verify_entry(b"another\n", **arguments)
    with pytest.raises(IntegrityError, match="^checkpoint:"):
        verify_entry(entry, **(arguments | {"origin": "another/log"}))
