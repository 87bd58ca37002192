# SPDX-License-Identifier: Apache-2.0
"""Values that other implementations published: ours must read and make the same."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.ledger.merkle import (
    leaf_hash,
    peaks_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from cleanroom.ledger.note import NoteKey, sign_note, verify_note
from cleanroom.ledger.paths import consistency_path, inclusion_path

PUBLISHED = json.loads((Path(__file__).parent / "ledger" / "published.json").read_bytes())
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in PUBLISHED["leaves"]]
ROOTS = [bytes.fromhex(root) for root in PUBLISHED["roots"]]


def subtree(height, index):
    return root_of(peaks_of(LEAVES[index << height : (index + 1) << height]))


def hashes(values):
    return tuple(bytes.fromhex(value) for value in values)


def note_of(published):
    name, identifier, encoded = published["verifier_key"].split("+", 2)
    key = NoteKey(name=name, public=base64.b64decode(encoded)[1:])
    assert key.identifier.hex() == identifier
    assert key.verifier_key == published["verifier_key"]
    return key, f"{published['text']}\n— {name} {published['signature']}\n".encode()


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_our_roots_are_the_published_ones(size):
    assert root_of(peaks_of(LEAVES[:size])) == ROOTS[size]


@pytest.mark.parametrize("published", PUBLISHED["inclusion"])
def test_our_inclusion_proofs_are_the_published_ones(published):
    index, size, proof = published["index"], published["size"], hashes(published["proof"])
    assert inclusion_path(index, size, subtree) == proof
    verify_inclusion(LEAVES[index], index=index, size=size, proof=proof, root=ROOTS[size])


@pytest.mark.parametrize("published", PUBLISHED["consistency"])
def test_our_consistency_proofs_are_the_published_ones(published):
    old, new, proof = published["old"], published["new"], hashes(published["proof"])
    assert consistency_path(old, new, subtree) == proof
    verify_consistency(
        old_size=old, old_root=ROOTS[old], new_size=new, new_root=ROOTS[new], proof=proof
    )


@pytest.mark.parametrize("published", PUBLISHED["notes"])
def test_notes_that_others_signed_are_verified(published):
    key, note = note_of(published)
    assert verify_note(note, key=key) == published["text"]


def test_a_note_that_we_sign_is_the_published_one_byte_for_byte():
    published = PUBLISHED["notes"][0]
    seed = base64.b64decode(published["published_signing_seed"])[1:]
    key, note = note_of(published)
    private = Ed25519PrivateKey.from_private_bytes(seed)
    assert sign_note(published["text"], name=key.name, key=private) == note
