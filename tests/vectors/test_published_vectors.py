# SPDX-License-Identifier: Apache-2.0
"""Signed reference values of Microsoft's and NVIDIA's forms, below roots of our own."""

import pytest

from cleanroom import errors
from cleanroom.attestation.platforms.azure_uvm.kind import EndorsementVerifier
from cleanroom.attestation.platforms.nvidia_gpu.manifest_alone import ManifestVerifier
from cleanroom.kernel.clock import parse_time
from cleanroom.kernel.digest import Digest
from tests.support.vector_files import parse_vector, read_vectors, says_what_was_agreed
from tests.vectors.attestation.published.generate import DIRECTORY, item_of, vectors

COMMITTED = read_vectors(DIRECTORY)
VERIFIERS = {"azure-uvm": EndorsementVerifier, "nvidia-rim": ManifestVerifier}


def verify(body):
    verifier = VERIFIERS[body["kind"]](root=Digest.parse(body["root"]))
    return verifier.verify(item_of(body), at=parse_time(body["at"]))


def test_the_generator_still_makes_the_committed_vectors():
    assert {name: vector.render() for name, vector in vectors().items()} == COMMITTED


@pytest.mark.parametrize("name", COMMITTED)
def test_each_vector_ends_as_it_says(name):
    vector = parse_vector(COMMITTED[name])
    if vector.expect == "success":
        claims = verify(vector.body)
        assert (claims.platform, claims.confidential) == (vector.body["kind"], False)
        return
    expected, code = vector.expect.split()
    with pytest.raises(getattr(errors, expected)) as refused:
        verify(vector.body)
    assert (type(refused.value).__name__, refused.value.code) == (expected, code)
    assert says_what_was_agreed(refused.value)
