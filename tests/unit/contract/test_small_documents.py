# SPDX-License-Identifier: Apache-2.0
"""Approvals, run requests and revocations: written, read, and refused by name."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.approval import Decision, parse_approval
from cleanroom.contract.document_render import (
    render_approval,
    render_revocation,
    render_run_request,
)
from cleanroom.contract.revocation import RevocationKind, RevocationTerms, parse_revocation
from cleanroom.contract.run_request import parse_run_request
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.documents import terms_of
from tests.support.room_documents import NOW, approval_terms, standard_run

CONTRACT, QUERY = Digest.of(b"contract"), Digest.of(b"query")
APPROVAL = approval_terms("hospital", contract=CONTRACT, query=QUERY)
RUN = standard_run(contract=CONTRACT, query=QUERY)
REVOCATION = RevocationTerms(
    party="hospital",
    kind=RevocationKind.DATASET,
    subject="hospital.patients",
    since=NOW,
    reason='they said "stop" \\ twice',
)
line = st.text(st.characters(blacklist_categories=("C", "Zl", "Zp")), min_size=1, max_size=40)


@settings(max_examples=40)
@given(line, st.integers(1, 2**53 - 1), st.sampled_from(Decision))
def test_a_written_approval_reads_as_the_same_terms(reason, sequence, decision):
    terms = dataclasses.replace(APPROVAL, reason=reason, sequence=sequence, decision=decision)
    assert terms_of(parse_approval(render_approval(terms))) == terms_of(terms)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True),
        line | st.integers(-(2**53) + 1, 2**53 - 1),
        max_size=5,
    )
)
def test_a_written_run_request_reads_as_the_same_terms(parameters):
    terms = dataclasses.replace(RUN, parameters=parameters)
    assert terms_of(parse_run_request(render_run_request(terms))) == terms_of(terms)


@pytest.mark.parametrize("kind", RevocationKind)
def test_a_written_revocation_reads_as_the_same_terms(kind):
    terms = dataclasses.replace(REVOCATION, kind=kind, subject=CONTRACT)
    assert terms_of(parse_revocation(render_revocation(terms))) == terms_of(terms)


def test_a_dataset_is_withdrawn_by_its_name():
    assert parse_revocation(render_revocation(REVOCATION)).subject == "hospital.patients"


def test_only_datasets_are_withdrawn_by_name():
    terms = dataclasses.replace(REVOCATION, kind=RevocationKind.QUERY)
    with pytest.raises(MalformedError, match="^revocation.toml: subject: found the name of a data"):
        parse_revocation(render_revocation(terms))


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ('run = "', 'run = "../', "run"),
        ('run = "', 'run = "UPPER-', "run"),
        ('receivers = ["insurer"]', "receivers = []", "receivers"),
        ('receivers = ["insurer"]', 'receivers = ["insurer", "insurer"]', "receivers"),
        ("born = 1960", "born = true", "parameters.born"),
        ("born = 1960", "born = [1960]", "parameters.born"),
        ("born = 1960", '"BORN" = 1960', "parameters.BORN"),
        ("born = 1960", 'born = "\\u001b"', "parameters.born"),
    ],
)
def test_one_wrong_clause_of_a_run_request_is_refused_by_name(old, new, clause):
    data = render_run_request(RUN).decode()
    assert old in data
    with pytest.raises(MalformedError, match=f"^run.toml: {clause}"):
        parse_run_request(data.replace(old, new, 1).encode())
