# SPDX-License-Identifier: Apache-2.0
"""Vectors of NVIDIA devices, Nitro documents and tokens, below roots of our own."""

import pytest

from cleanroom import errors
from tests.support.evidence_vectors import verify_body
from tests.support.vector_files import parse_vector, read_vectors, says_what_was_agreed
from tests.vectors.attestation.nitro import generate as nitro
from tests.vectors.attestation.nvidia import generate as nvidia
from tests.vectors.attestation.tokens import generate as tokens

GENERATORS = {"nvidia": nvidia, "nitro": nitro, "tokens": tokens}
COMMITTED = {name: read_vectors(module.DIRECTORY) for name, module in GENERATORS.items()}
ALL = {f"{kind}/{name}": data for kind, found in COMMITTED.items() for name, data in found.items()}


@pytest.mark.parametrize("kind", GENERATORS)
def test_the_generator_still_makes_the_committed_vectors(kind):
    made = GENERATORS[kind].vectors()
    assert {name: vector.render() for name, vector in made.items()} == COMMITTED[kind]


@pytest.mark.parametrize("name", ALL)
def test_each_vector_ends_as_it_says(name):
    vector = parse_vector(ALL[name])
    if vector.expect == "success":
        assert verify_body(vector.body).debug is vector.body["debug"]
        return
    expected, code = vector.expect.split()
    with pytest.raises(getattr(errors, expected)) as refused:
        verify_body(vector.body)
    assert type(refused.value).__name__ == expected
    assert refused.value.code == code
    assert says_what_was_agreed(refused.value)
