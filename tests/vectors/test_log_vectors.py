# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom import errors
from cleanroom.ledger.checkpoint import verify_checkpoint
from cleanroom.ledger.inclusion import verify_entry
from cleanroom.ledger.merkle import verify_consistency
from tests.support.vector_files import parse_vector, read_vectors
from tests.vectors.ledger.generate import DIRECTORY, vectors

COMMITTED = read_vectors(DIRECTORY)


def run(body):
    log = {"origin": body["origin"], "public_key": bytes.fromhex(body["public_key"])}
    proof = [bytes.fromhex(value) for value in body["proof"]]
    if body["kind"] == "entry":
        verify_entry(
            body["entry"].encode(),
            index=body["index"],
            proof=proof,
            checkpoint=body["checkpoint"].encode(),
            **log,
        )
        return
    old = verify_checkpoint(body["old"].encode(), **log)
    new = verify_checkpoint(body["new"].encode(), **log)
    verify_consistency(
        old_size=old.size, old_root=old.root, new_size=new.size, new_root=new.root, proof=proof
    )


def test_the_generator_still_makes_the_committed_vectors():
    assert {name: vector.render() for name, vector in vectors().items()} == COMMITTED


@pytest.mark.parametrize("name", COMMITTED)
def test_each_vector_ends_as_it_says(name):
    vector = parse_vector(COMMITTED[name])
    if vector.expect == "success":
        run(vector.body)
        return
    expected, code = vector.expect.split()
    with pytest.raises(getattr(errors, expected)) as refused:
        run(vector.body)
    assert type(refused.value).__name__ == expected
    assert refused.value.code == code
