# SPDX-License-Identifier: Apache-2.0
"""Bytes of documents that must give one named outcome for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanroom.contract.approval import parse_approval
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.policy import parse_policy
from cleanroom.contract.query import parse_query
from cleanroom.contract.revocation import parse_revocation
from cleanroom.contract.run_request import parse_run_request
from cleanroom.errors import CleanroomError
from tests.support.document_vectors import vectors

DIRECTORY = Path(__file__).parent / "documents"
FILES = sorted(DIRECTORY.glob("*.toml"))
PARSERS = {
    "contract": parse_contract,
    "policy": parse_policy,
    "dataset": parse_dataset,
    "query": parse_query,
    "approval": parse_approval,
    "run": parse_run_request,
    "revocation": parse_revocation,
}


def outcome(path: Path) -> str:
    try:
        PARSERS[path.name.partition("-")[0]](path.read_bytes())
    except CleanroomError as error:
        return f"{type(error).__name__} {error.code}"
    return "accepted"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_vector_has_the_outcome_that_it_names(path):
    first = path.read_bytes().partition(b"\n")[0].decode()
    assert first == f"# expect: {outcome(path)}"


def test_the_committed_vectors_are_those_that_the_generator_writes():
    assert {path.name: path.read_bytes() for path in FILES} == vectors()
