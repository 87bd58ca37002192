# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest

from cleanroom import errors
from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import parse_evidence
from cleanroom.attestation.result import Status
from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.contract import AttestationProfile, Forbidden, NoCollateral, Waived
from cleanroom.kernel.clock import parse_time
from cleanroom.kernel.digest import Digest
from tests.support.vector_files import parse_vector, read_vectors
from tests.vectors.attestation.generate import DIRECTORY, vectors

COMMITTED = read_vectors(DIRECTORY)


def read_profile(clauses):
    debug = clauses["debug"]
    return AttestationProfile(
        platforms=frozenset(clauses["platforms"]),
        measurements=frozenset(Digest.parse(text) for text in clauses["measurements"]),
        debug=Forbidden() if debug == "forbidden" else Waived(reason=debug),
        max_evidence_age=dt.timedelta(seconds=clauses["max_evidence_age_seconds"]),
        max_collateral_age=NoCollateral(),
        clauses=(),
    )


def run_line(body):
    """Go the way that a broker goes."""
    at = parse_time(body["at"])
    runtime = parse_runtime_data(body["runtime_data"].encode())
    evidence = parse_evidence(body["evidence"])
    profile = read_profile(body["profile"])
    trust = trust_for(profile)
    claims = verify_evidence(evidence, binding=bind64(runtime.raw), at=at, trust=trust)
    return appraise(claims, profile=profile, runtime=runtime, at=at)


def test_the_generator_still_makes_the_committed_vectors():
    assert {name: vector.render() for name, vector in vectors().items()} == COMMITTED


@pytest.mark.parametrize("name", COMMITTED)
def test_each_vector_ends_as_it_says(name):
    vector = parse_vector(COMMITTED[name])
    if vector.expect == "success":
        assert run_line(vector.body).status is Status.CONTRAINDICATED
        return
    expected, code = vector.expect.split()
    with pytest.raises(getattr(errors, expected)) as refused:
        run_line(vector.body)
    assert type(refused.value).__name__ == expected
    assert refused.value.code == code
