# SPDX-License-Identifier: Apache-2.0
"""Whatever a log serves, a reader answers with a value or an error of the tree (T-18)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.ledger.checkpoint import Checkpoint, verify_checkpoint
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.ledger.merkle import verify_consistency, verify_inclusion
from cleanroom.ledger.note import NoteKey, parse_note, sign_note
from cleanroom.ledger.tiles import is_published, join_entries, split_entries, split_hashes
from tests.support.fuzzed import edited, only_tree_errors
from tests.support.logs import KEY, ORIGIN, PUBLIC_KEY

THREATS = ("T-18",)
NOTE = Checkpoint(origin=ORIGIN, size=7, root=b"r" * 32).sign(KEY)
BUNDLE = join_entries([b"one", b"", b"three"])
MODEST = settings(max_examples=200, deadline=None)
HASHES = st.binary(min_size=32, max_size=32) | st.binary(max_size=40)
SIZES = st.integers(-2, 20) | st.integers(-(2**70), 2**70)


@MODEST
@given(st.binary(max_size=300) | edited(NOTE) | st.text(max_size=200).map(str.encode))
def test_a_note_from_any_bytes(data):
    only_tree_errors(parse_note, data)


@MODEST
@given(edited(NOTE))
def test_an_edited_checkpoint_is_never_accepted_with_another_meaning(data):
    checkpoint = only_tree_errors(verify_checkpoint, data, origin=ORIGIN, public_key=PUBLIC_KEY)
    if checkpoint is not None:
        assert checkpoint == Checkpoint(origin=ORIGIN, size=7, root=b"r" * 32)


@MODEST
@given(st.text(max_size=120))
def test_a_checkpoint_from_any_signed_text(text):
    note = only_tree_errors(sign_note, text + "\n", name=ORIGIN, key=KEY)
    if note is not None:
        only_tree_errors(verify_checkpoint, note, origin=ORIGIN, public_key=PUBLIC_KEY)


@MODEST
@given(st.text(max_size=60), st.binary(max_size=40))
def test_a_key_of_any_name_and_length(name, public):
    only_tree_errors(NoteKey, name=name, public=public)


@MODEST
@given(
    HASHES,
    st.fixed_dictionaries(
        {"index": SIZES, "size": SIZES, "proof": st.lists(HASHES, max_size=70), "root": HASHES}
    ),
)
def test_an_inclusion_proof_of_anything(leaf, claim):
    only_tree_errors(verify_inclusion, leaf, **claim)


@MODEST
@given(
    st.fixed_dictionaries(
        {
            "old_size": SIZES,
            "old_root": HASHES,
            "new_size": SIZES,
            "new_root": HASHES,
            "proof": st.lists(HASHES, max_size=70),
        }
    )
)
def test_a_consistency_proof_of_anything(claim):
    only_tree_errors(verify_consistency, **claim)


@MODEST
@given(st.binary(max_size=60), SIZES, st.lists(HASHES, max_size=5), edited(NOTE))
def test_a_logged_entry_of_anything(entry, index, proof, checkpoint):
    accepted = only_tree_errors(
        verify_entry,
        entry,
        index=index,
        proof=proof,
        checkpoint=checkpoint,
        origin=ORIGIN,
        public_key=PUBLIC_KEY,
    )
    assert accepted is None


@MODEST
@given(st.binary(max_size=80) | edited(BUNDLE), st.integers(0, 6))
def test_a_bundle_from_any_bytes(data, width):
    entries = only_tree_errors(split_entries, data, width=width, what="bundle")
    if entries is not None:
        assert join_entries(entries) == data


@MODEST
@given(st.binary(max_size=200), st.integers(0, 6))
def test_a_tile_from_any_bytes(data, width):
    only_tree_errors(split_hashes, data, width=width, what="tile")


@MODEST
@given(st.text(alphabet="tile/0x123.penriscko\\\n\x00", max_size=40))
def test_no_published_path_leaves_the_directory(path):
    if is_published(path):
        assert ".." not in path
        assert not path.startswith("/")
        assert path == "checkpoint" or path.startswith("tile/")
