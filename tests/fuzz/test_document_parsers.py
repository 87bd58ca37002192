# SPDX-License-Identifier: Apache-2.0
"""T-18: whatever bytes come, a document parser returns a document or raises one of our errors."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.approval import parse_approval
from cleanroom.contract.bundle import decode_bundle, encode_bundle
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.policy import parse_policy
from cleanroom.contract.query import parse_query
from cleanroom.contract.revocation import RevocationKind, parse_revocation
from cleanroom.contract.run_request import parse_run_request
from cleanroom.contract.templates import templates
from cleanroom.contract.types import ColumnType, parse_ratio
from cleanroom.errors import CleanroomError
from tests.support.room_documents import LINEAGES, build_room

ROOM = build_room()
AGREED = ROOM.bundle.agreement
PARSERS = {
    parse_contract: AGREED.contract.data,
    parse_policy: AGREED.policies[LINEAGES[1]].data,
    parse_dataset: AGREED.datasets[LINEAGES[1]].data,
    parse_query: ROOM.bundle.query.data,
    parse_approval: ROOM.bundle.approvals["hospital"].data,
    parse_run_request: ROOM.bundle.run.data,
    parse_revocation: ROOM.revocation(
        "hospital", kind=RevocationKind.QUERY, subject=ROOM.query_digest
    ).data,
    decode_bundle: encode_bundle(ROOM.bundle),
}
PUBLIC_POLICY = templates()["policy-public.toml"]
parsers = pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
scalars = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        ['""', "true", "[]", "{}", "1.5", "nan", "2026-01-01", "2026-01-01T00:00:00+01:00"]
    ),
    st.text(max_size=20).map(repr),
)


def survives(parse, data: bytes) -> None:
    with suppress(CleanroomError):
        parse(data)


@parsers
@settings(max_examples=40)
@given(data=st.binary(max_size=400))
def test_any_bytes_give_a_document_or_one_of_our_errors(parse, data):
    survives(parse, data)


@parsers
@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_document_gives_a_document_or_one_of_our_errors(parse, data):
    valid = PARSERS[parse]
    start = data.draw(st.integers(0, len(valid)))
    end = data.draw(st.integers(start, min(len(valid), start + 40)))
    survives(parse, valid[:start] + data.draw(st.binary(max_size=20)) + valid[end:])


@parsers
@settings(max_examples=60)
@given(data=st.data())
def test_another_value_at_any_clause_gives_a_document_or_one_of_our_errors(parse, data):
    lines = PARSERS[parse].decode().split("\n")
    clauses = [number for number, line in enumerate(lines) if " = " in line]
    if not clauses:
        return
    number = data.draw(st.sampled_from(clauses))
    key, _, _ = lines[number].partition(" = ")
    lines[number] = f"{key} = {data.draw(scalars)}"
    survives(parse, "\n".join(lines).encode("utf-8", "surrogatepass"))


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_public_policy_gives_a_policy_or_one_of_our_errors(data):
    position = data.draw(st.integers(0, len(PUBLIC_POLICY)))
    survives(
        parse_policy,
        PUBLIC_POLICY[:position] + data.draw(st.binary(max_size=8)) + PUBLIC_POLICY[position + 4 :],
    )


@parsers
@pytest.mark.parametrize(
    "data",
    [
        b"[" * 5000,
        b"a = " + b"[" * 5000,
        b"a" + b".a" * 5000 + b" = 1",
        b"x = 1" + b"0" * 5000,
        b'format = "' + b"a" * 100_000 + b'"',
        b"unit = 1\nformat = 1",
        b"[unit]\nkind = 1",
        b'[unit]\nkind = "public"',
    ],
)
def test_hostile_shapes_are_refused_quickly(parse, data):
    with pytest.raises(CleanroomError):
        parse(data)


@given(st.text(max_size=30))
def test_any_text_gives_a_type_and_a_number_or_one_of_our_errors(text):
    survives(ColumnType, text)
    survives(lambda value: parse_ratio(value, what="ratio"), text)
