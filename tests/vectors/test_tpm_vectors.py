# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom import errors
from cleanroom.attestation.evidence import parse_evidence
from cleanroom.attestation.platforms.tpm.verify import TpmVerifier
from cleanroom.attestation.verifier import require_bound, require_declared
from cleanroom.kernel.clock import parse_time
from cleanroom.kernel.digest import Digest
from tests.support.vector_files import parse_vector, read_vectors
from tests.vectors.attestation_tpm.generate import DIRECTORY, vectors

COMMITTED = read_vectors(DIRECTORY)


def verify(body):
    verifier = TpmVerifier(name="tpm", roots=tuple(map(Digest.parse, body["roots"])))
    claims = verifier.verify(parse_evidence(body["evidence"]), at=parse_time(body["at"]))
    require_declared(verifier, claims)
    require_bound(claims, bytes.fromhex(body["binding"]))
    return claims


def test_the_generator_still_makes_the_committed_vectors():
    assert {name: vector.render() for name, vector in vectors().items()} == COMMITTED


@pytest.mark.parametrize("name", COMMITTED)
def test_each_vector_ends_as_it_says(name):
    vector = parse_vector(COMMITTED[name])
    if vector.expect == "success":
        assert verify(vector.body).facts
        return
    expected, code = vector.expect.split()
    with pytest.raises(errors.CleanroomError) as refused:
        verify(vector.body)
    assert (type(refused.value).__name__, refused.value.code) == (expected, code)
