# SPDX-License-Identifier: Apache-2.0
"""Committed evidence of processors, below our own roots, ends as each file says."""

import base64

import pytest

from cleanroom import errors
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.result import Status
from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.kernel.clock import parse_time
from tests.support.processor_line import walk
from tests.support.vector_files import parse_vector, read_vectors, says_what_was_agreed
from tests.vectors.attestation.processors.generate import DIRECTORY, vectors

COMMITTED = read_vectors(DIRECTORY)


def run_line(body):
    """Go the way that a broker goes."""
    runtime = parse_runtime_data(body["runtime_data"].encode())
    item = EvidenceItem(
        platform=body["platform"],
        report=base64.b64decode(body["report"]),
        collateral={name: base64.b64decode(text) for name, text in body["collateral"].items()},
    )
    at = parse_time(body["at"])
    return walk(item, at=at, binding=bind64(runtime.raw), runtime=runtime)


def test_the_generator_still_makes_the_committed_vectors():
    assert {name: vector.render() for name, vector in vectors().items()} == COMMITTED


@pytest.mark.parametrize("name", COMMITTED)
def test_each_vector_ends_as_it_says(name):
    vector = parse_vector(COMMITTED[name])
    if vector.expect == "success":
        assert run_line(vector.body).status is Status.AFFIRMING
        return
    expected, code = vector.expect.split()
    with pytest.raises(getattr(errors, expected)) as refused:
        run_line(vector.body)
    assert (type(refused.value).__name__, refused.value.code) == (expected, code)
    assert says_what_was_agreed(refused.value)


def test_every_kind_and_both_outcomes_are_there():
    found = {(vector.comment, vector.expect == "success") for vector in vectors().values()}
    kinds = {"snp", "tdx", "snp-azure-vtpm", "tdx-azure-vtpm"}
    assert {kind for kind, good in found if good} == kinds
    assert {kind for kind, good in found if not good} >= kinds - {"tdx-azure-vtpm"}
