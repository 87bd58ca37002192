# SPDX-License-Identifier: Apache-2.0
"""One spelling, closed members, safe names: before anything is believed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cleanroom.envelope.dsse import sign_statement
from cleanroom.envelope.statement import make_statement
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES
from cleanroom.receipt.build import build_receipt
from cleanroom.receipt.encoding import body_to_json, encode_receipt
from cleanroom.receipt.model import RECEIPT_PREDICATE, RESULT_SUBJECT
from cleanroom.receipt.parse import parse_payload, parse_receipt
from tests.support.receipt_forge import RUN_KEY, Forge

FORGE = Forge()
HONEST = FORGE.receipt()
BODY = FORGE.body()


def with_predicate(**changes):
    predicate = {**body_to_json(BODY), **changes}
    payload = make_statement(
        subjects={RESULT_SUBJECT: BODY.result.digest},
        predicate_type=RECEIPT_PREDICATE,
        predicate={name: item for name, item in predicate.items() if item is not ...},
    )
    return encode_receipt(sign_statement(payload, RUN_KEY), parse_receipt(HONEST).countersignatures)


def test_a_receipt_reads_back_as_it_was_written():
    receipt = parse_receipt(HONEST)
    assert receipt.body == BODY
    assert receipt.digest == Digest.of(build_receipt(BODY))
    assert encode_receipt(receipt.envelope, receipt.countersignatures) == HONEST


def test_lists_are_written_in_one_order_whatever_order_they_came_in():
    shuffled = replace(
        BODY,
        datasets=tuple(reversed(BODY.datasets)),
        state=tuple(reversed(BODY.state)),
        receivers=tuple(reversed((*BODY.receivers, "hospital"))),
    )
    ordered = replace(BODY, receivers=tuple(sorted((*BODY.receivers, "hospital"))))
    assert build_receipt(shuffled) == build_receipt(ordered)


@pytest.mark.parametrize(
    "twin",
    [
        lambda data: data + b"\n",
        lambda data: b" " + data,
        lambda data: json.dumps(json.loads(data)).encode(),
        lambda data: data.replace(b'"payload"', b'"p\\u0061yload"', 1),
    ],
)
def test_a_second_spelling_of_the_file_is_refused(twin):
    with pytest.raises(MalformedError, match="canonical"):
        parse_receipt(twin(HONEST))


def test_a_second_order_inside_the_payload_is_refused():
    body = body_to_json(BODY)
    with pytest.raises(MalformedError, match="canonical"):
        parse_receipt(with_predicate(datasets=list(reversed(body["datasets"]))))


@pytest.mark.parametrize("member", ["payload", "payloadType", "signatures", "countersignatures"])
def test_a_missing_member_of_the_file_is_refused(member):
    value = json.loads(HONEST)
    del value[member]
    with pytest.raises(MalformedError, match=member):
        parse_receipt(canonical_json(value))


@pytest.mark.parametrize("member", sorted(body_to_json(BODY)))
def test_a_missing_field_of_the_statement_is_refused_by_name(member):
    with pytest.raises(MalformedError, match=member):
        parse_receipt(with_predicate(**{member: ...}))


def test_an_unknown_member_is_refused_by_name():
    with pytest.raises(MalformedError, match="waiver"):
        parse_receipt(with_predicate(waiver="all"))
    with pytest.raises(MalformedError, match="waiver"):
        parse_receipt(canonical_json({**json.loads(HONEST), "waiver": "all"}))


@pytest.mark.parametrize(
    "change",
    [
        {"run": "../../etc/passwd"},
        {"run": "run-20261122-01\n"},
        {"submitter": "../hospital"},
        {"parties": {"../../etc": str(Digest.of(b""))}},
        {"approvals": {"hospital/..": str(Digest.of(b""))}},
        {"code": {"../query.sql": str(Digest.of(b""))}},
        {"query": {"name": "..", "digest": str(Digest.of(b""))}},
        {"parameters": {"since": True}},
        {"parameters": {"since": None}},
        {"parameters": {"since": [1]}},
        {"platform": "Simulated"},
        {"answered": "maybe"},
        {"format": "cleanroom.receipt.v1"},
        {"result": {"digest": str(Digest.of(b"")), "bytes": -1}},
        {"sandbox": {"level": "none", "layers": []}},
        {"runtime_data": "AAA"},
        {"contract": {"name": "readmissions", "digest": "sha256:" + "A" * 64}},
    ],
)
def test_a_value_of_another_form_is_malformed(change):
    with pytest.raises(MalformedError):
        parse_receipt(with_predicate(**change))


def test_a_subject_other_than_the_result_is_refused():
    for subjects in ({"other": BODY.result.digest}, {RESULT_SUBJECT: Digest.of(b"other")}):
        payload = make_statement(
            subjects=subjects, predicate_type=RECEIPT_PREDICATE, predicate=body_to_json(BODY)
        )
        with pytest.raises(MalformedError, match="^receipt subject:"):
            parse_payload(payload)


def test_a_statement_of_another_kind_is_no_receipt():
    payload = make_statement(
        subjects={RESULT_SUBJECT: BODY.result.digest},
        predicate_type="urn:cleanroom:commit:v0",
        predicate=body_to_json(BODY),
    )
    with pytest.raises(CleanroomError):
        parse_payload(payload)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 100, HONEST[:-1]])
def test_what_is_no_receipt_is_malformed(data):
    with pytest.raises(MalformedError):
        parse_receipt(data)


def test_a_huge_receipt_is_refused_by_size():
    with pytest.raises(MalformedError) as caught:
        parse_receipt(b" " * (MAX_RECEIPT_BYTES + 1))
    assert caught.value.code == "format.oversize"


def test_a_refusal_never_quotes_what_it_refused():
    with pytest.raises(CleanroomError) as caught:
        parse_receipt(with_predicate(answered="the patient is called Ada"))
    assert "Ada" not in caught.value.message
    assert caught.value.__context__ is None


def test_an_integrity_error_is_not_what_parsing_raises():
    with pytest.raises(CleanroomError) as caught:
        parse_receipt(with_predicate(submitter=7))
    assert not isinstance(caught.value, IntegrityError)
