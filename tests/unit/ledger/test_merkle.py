# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.ledger.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    peaks_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from cleanroom.ledger.paths import consistency_path, inclusion_path, tree_root
from tests.support.logs import reference_consistency, reference_path, reference_root

ENTRIES = [b"entry %d" % index for index in range(70)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def subtree(height, index):
    return reference_root(ENTRIES[index << height : (index + 1) << height])


def check_inclusion(place, count, **changes):
    values = {
        "leaf": LEAVES[place],
        "index": place,
        "size": count,
        "proof": reference_path(place, ENTRIES[:count]),
        "root": reference_root(ENTRIES[:count]),
    } | changes
    verify_inclusion(values.pop("leaf"), **values)


def check_consistency(old, new, **changes):
    values = {
        "old_size": old,
        "old_root": reference_root(ENTRIES[:old]),
        "new_size": new,
        "new_root": reference_root(ENTRIES[:new]),
        "proof": reference_consistency(old, ENTRIES[:new]) if 0 < old <= new else [],
    } | changes
    verify_consistency(**values)


SIZES = st.integers(1, len(ENTRIES))
PAIRS = st.tuples(SIZES, SIZES).map(sorted)


@pytest.mark.parametrize("size", range(len(ENTRIES) + 1))
def test_the_root_is_the_one_that_the_rfc_defines(size):
    assert root_of(peaks_of(LEAVES[:size])) == reference_root(ENTRIES[:size])
    assert tree_root(size, subtree) == reference_root(ENTRIES[:size])


@settings(max_examples=20, deadline=None)
@given(SIZES)
def test_every_entry_of_every_tree_can_be_proven(size):
    for index in range(size):
        proof = inclusion_path(index, size, subtree)
        assert list(proof) == reference_path(index, ENTRIES[:size])
        check_inclusion(index, size, proof=proof)


@given(PAIRS)
def test_every_tree_can_be_proven_to_extend_every_smaller_one(pair):
    old, new = pair
    proof = consistency_path(old, new, subtree)
    assert list(proof) == reference_consistency(old, ENTRIES[:new])
    check_consistency(old, new, proof=proof)


def test_every_tree_extends_the_empty_one():
    assert consistency_path(0, 7, subtree) == ()
    check_consistency(0, 7)
    check_consistency(0, 0, new_root=EMPTY_ROOT, old_root=EMPTY_ROOT)


def test_an_inner_node_is_never_the_hash_of_an_entry():
    left, right = LEAVES[0], LEAVES[1]
    assert node_hash(left, right) != leaf_hash(left + right)
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        check_inclusion(0, 1, leaf=leaf_hash(left + right), root=node_hash(left, right))


@given(PAIRS, st.integers(0, 2**10))
def test_another_index_or_another_leaf_is_refused(pair, other):
    index, size = pair[0] - 1, pair[1]
    other %= size
    if other == index:
        return
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        check_inclusion(index, size, index=other)
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        check_inclusion(index, size, leaf=LEAVES[other])


@given(PAIRS, st.data())
def test_every_flipped_bit_of_an_inclusion_proof_is_refused(pair, data):
    index, size = pair[0] - 1, pair[1]
    proof = reference_path(index, ENTRIES[:size])
    if not proof:
        return
    position = data.draw(st.integers(0, len(proof) - 1))
    proof[position] = flip(proof[position], data.draw(st.integers(0, 255)))
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        check_inclusion(index, size, proof=proof)


@given(PAIRS, st.data())
def test_every_flipped_bit_of_a_consistency_proof_is_refused(pair, data):
    old, new = pair
    proof = reference_consistency(old, ENTRIES[:new])
    if not proof:
        return
    position = data.draw(st.integers(0, len(proof) - 1))
    proof[position] = flip(proof[position], data.draw(st.integers(0, 255)))
    with pytest.raises(IntegrityError, match="^log consistency:"):
        check_consistency(old, new, proof=proof)


def flip(value, bit):
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("index", [0, 3, 6])
def test_an_inclusion_proof_of_another_length_is_refused(index):
    proof = reference_path(index, ENTRIES[:7])
    for changed in (proof[:-1], [*proof, LEAVES[0]], proof[1:], []):
        with pytest.raises(IntegrityError, match="^log inclusion:") as refused:
            check_inclusion(index, 7, proof=changed)
        assert refused.value.code == "ledger.inclusion"


def test_a_proof_that_ends_at_a_subtree_is_not_a_proof_of_the_tree():
    proof = reference_path(0, ENTRIES[:8])
    with pytest.raises(IntegrityError, match="^log inclusion:"):
        check_inclusion(0, 8, proof=proof[:2], root=reference_root(ENTRIES[:4]))


def test_extra_hashes_that_lead_to_the_wanted_root_are_refused():
    root = node_hash(LEAVES[0], LEAVES[1])
    with pytest.raises(IntegrityError, match="^log inclusion: proof too long"):
        check_inclusion(0, 1, proof=[LEAVES[1]], root=root)
    proof = [*reference_consistency(4, ENTRIES[:7]), LEAVES[0]]
    longer_root = node_hash(reference_root(ENTRIES[:7]), LEAVES[0])
    with pytest.raises(IntegrityError, match="^log consistency: proof too long"):
        check_consistency(4, 7, proof=proof, new_root=longer_root)


@pytest.mark.parametrize(("old", "new"), [(3, 7), (4, 7), (6, 8), (5, 70), (64, 70)])
def test_a_consistency_proof_of_another_length_is_refused(old, new):
    proof = reference_consistency(old, ENTRIES[:new])
    for changed in (proof[:-1], [*proof, LEAVES[0]], []):
        with pytest.raises(IntegrityError, match="^log consistency:") as refused:
            check_consistency(old, new, proof=changed)
        assert refused.value.code == "ledger.consistency"


def test_a_consistency_proof_that_stops_below_the_root_is_refused():
    # The roots agree with the hashes given, and only the length of the path tells.
    with pytest.raises(IntegrityError, match="^log consistency: proof too short"):
        check_consistency(4, 7, proof=[], new_root=reference_root(ENTRIES[:4]))


@pytest.mark.parametrize(("old", "new"), [(3, 7), (4, 7), (7, 7), (1, 2)])
def test_either_root_of_another_tree_is_refused(old, new):
    other = reference_root(ENTRIES[1:])
    for change in ({"old_root": other}, {"new_root": other}):
        with pytest.raises(IntegrityError, match="^log consistency:"):
            check_consistency(old, new, **change)


def test_a_log_that_shrank_is_refused():
    with pytest.raises(IntegrityError, match="^log consistency: the log shrank"):
        check_consistency(7, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"proof": [LEAVES[0]]},
        {"old_root": LEAVES[0]},
        {"old_root": LEAVES[0], "new_root": LEAVES[0]},
    ],
)
def test_the_empty_tree_has_one_root_and_needs_no_proof(change):
    with pytest.raises(IntegrityError, match="^log consistency:"):
        check_consistency(0, 7, **change)


def test_equal_sizes_need_no_proof():
    with pytest.raises(IntegrityError, match="^log consistency:"):
        check_consistency(7, 7, proof=[LEAVES[0]])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"index": -1}, "ledger.size"),
        ({"index": 2**53}, "ledger.size"),
        ({"size": 2**53}, "ledger.size"),
        ({"index": 7}, "ledger.index"),
        ({"size": 0, "index": 0}, "ledger.index"),
        ({"root": b""}, "ledger.hash"),
        ({"leaf": bytes(31)}, "ledger.hash"),
        ({"proof": [bytes(33)]}, "ledger.hash"),
        ({"proof": [bytes(32)] * 64}, "format.oversize"),
    ],
)
def test_values_that_no_tree_has_are_refused_by_name(change, code):
    with pytest.raises(MalformedError, match="^log proof:") as refused:
        check_inclusion(2, 7, **change)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "change",
    [{"old_size": -1}, {"new_size": 2**53}, {"old_root": b""}, {"proof": [bytes(32)] * 64}],
)
def test_values_that_no_pair_of_trees_has_are_refused(change):
    with pytest.raises(MalformedError, match="^log proof:"):
        check_consistency(3, 7, **change)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_no_proof_is_made_for_an_entry_that_is_not_there(index, size):
    with pytest.raises(MalformedError) as refused:
        inclusion_path(index, size, subtree)
    assert refused.value.code == "ledger.index"


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5)])
def test_no_proof_is_made_from_a_larger_tree(old, new):
    with pytest.raises(MalformedError) as refused:
        consistency_path(old, new, subtree)
    assert refused.value.code == "ledger.size"
