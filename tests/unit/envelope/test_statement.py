# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.envelope.statement import make_statement, parse_statement
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES

TYPE = "urn:cleanroom:receipt:v0"
SUBJECTS = {"result.sealed": Digest.of(b"result"), "runtime-data": Digest.of(b"data")}
PREDICATE = {"format": "cleanroom.receipt.v0", "run": "run-12345", "checks": [], "used": 3}
GOOD = make_statement(subjects=SUBJECTS, predicate_type=TYPE, predicate=PREDICATE)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def parse(payload, predicate_type=TYPE):
    return parse_statement(payload, predicate_type=predicate_type, what="receipt")


def changed(**fields):
    return rfc8785.dumps(json.loads(GOOD) | fields)


def subject(name="result.sealed", digest=None):
    return {"name": name, "digest": digest or {"sha256": "0" * 64}}


def test_a_statement_reads_back():
    statement = parse(GOOD)
    assert statement.subjects == SUBJECTS
    assert statement.predicate == PREDICATE
    assert statement.predicate_type == TYPE


def test_the_bytes_are_those_of_an_independent_canonical_encoder():
    assert rfc8785.dumps(json.loads(GOOD)) == GOOD


def test_the_order_in_which_subjects_were_given_does_not_matter():
    turned = dict(reversed(SUBJECTS.items()))
    assert make_statement(subjects=turned, predicate_type=TYPE, predicate=PREDICATE) == GOOD


def test_the_statement_is_what_in_toto_v1_says():
    value = json.loads(GOOD)
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert set(value) == {"_type", "subject", "predicateType", "predicate"}
    assert value["subject"][0]["digest"] == {"sha256": SUBJECTS["result.sealed"].hex}


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_any_exact_predicate_survives(predicate):
    payload = make_statement(subjects=SUBJECTS, predicate_type=TYPE, predicate=predicate)
    assert parse(payload).predicate == predicate


def test_a_parsed_statement_cannot_be_changed():
    statement = parse(GOOD)
    with pytest.raises(TypeError):
        statement.predicate["used"] = 0
    with pytest.raises(TypeError):
        statement.subjects["other"] = Digest.of(b"")


@pytest.mark.parametrize(
    "payload",
    [
        GOOD + b"\n",
        b" " + GOOD,
        json.dumps(json.loads(GOOD)).encode(),
        GOOD.replace(b'"used":3', b'"used":3e0'),
        GOOD.replace(b"receipt.v0", b"receip\\u0074.v0"),
        json.dumps(dict(reversed(json.loads(GOOD).items())), separators=(",", ":")).encode(),
    ],
    ids=["newline", "space", "spaces", "float", "escape", "order"],
)
def test_the_same_content_in_another_form_is_refused(payload):
    with pytest.raises(MalformedError, match="^receipt: "):
        parse(payload)


@pytest.mark.parametrize(
    "fields",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"_type": None},
        {"predicate": []},
        {"predicate": None},
        {"predicateType": 1},
        {"subject": []},
        {"subject": {}},
        {"subject": [subject()] * 2},
        {"subject": [subject("b"), subject("a")]},
        {"subject": [subject(f"s{number:03}") for number in range(65)]},
        {"subject": [subject("")]},
        {"subject": [subject("a/b")]},
        {"subject": [subject("A")]},
        {"subject": [subject("a\n")]},
        {"subject": [subject(digest={"sha512": "0" * 128})]},
        {"subject": [subject(digest={"sha256": "0" * 63})]},
        {"subject": [subject(digest={"sha256": "A" * 64})]},
        {"subject": [subject(digest={"sha256": "0" * 64, "md5": "0" * 32})]},
        {"subject": [subject() | {"uri": "x"}]},
        {"extra": 1},
    ],
)
def test_one_wrong_field_is_refused(fields):
    with pytest.raises(MalformedError, match="^receipt: "):
        parse(changed(**fields))


@pytest.mark.parametrize("field", ["_type", "subject", "predicateType", "predicate"])
def test_a_missing_field_is_refused(field):
    value = {name: part for name, part in json.loads(GOOD).items() if name != field}
    with pytest.raises(MalformedError, match=f"^receipt: {field} is missing$"):
        parse(rfc8785.dumps(value))


def test_a_statement_of_another_kind_is_refused():
    refusal = make_statement(
        subjects=SUBJECTS, predicate_type="urn:cleanroom:refusal:v0", predicate=PREDICATE
    )
    with pytest.raises(MalformedError, match="^receipt: not a urn:cleanroom:receipt:v0") as no:
        parse(refusal)
    assert no.value.code == "statement.type"


@pytest.mark.parametrize(
    "predicate_type",
    ["", "urn:cleanroom:receipt:v1", "urn:other:receipt:v0", "urn:cleanroom:Receipt:v0", "x\n"],
)
def test_a_predicate_type_that_is_none_of_ours_is_refused_even_when_expected(predicate_type):
    with pytest.raises(MalformedError, match="^statement: "):
        make_statement(subjects=SUBJECTS, predicate_type=predicate_type, predicate=PREDICATE)
    with pytest.raises(MalformedError, match="^receipt: "):
        parse(changed(predicateType=predicate_type), predicate_type)


@pytest.mark.parametrize(
    "predicate", [{"a": 0.5}, {"a": 2**53}, {"a": "\ud800"}, {1: 2}, {"a": b""}]
)
def test_a_predicate_without_a_canonical_form_is_not_made(predicate):
    with pytest.raises(MalformedError):
        make_statement(subjects=SUBJECTS, predicate_type=TYPE, predicate=predicate)


@pytest.mark.parametrize("subjects", [{}, {"": Digest.of(b"")}, {"A": Digest.of(b"")}])
def test_no_or_a_badly_named_subject_is_not_made(subjects):
    with pytest.raises(MalformedError, match="^statement: "):
        make_statement(subjects=subjects, predicate_type=TYPE, predicate=PREDICATE)


@pytest.mark.parametrize(
    ("predicate_type", "predicate", "code"),
    [
        ("urn:others:release:v0", PREDICATE, "statement.type"),
        (TYPE, {"a": "a" * MAX_RECEIPT_BYTES}, "format.oversize"),
    ],
)
def test_what_no_reader_would_take_is_not_made(predicate_type, predicate, code):
    with pytest.raises(MalformedError) as refusal:
        make_statement(subjects=SUBJECTS, predicate_type=predicate_type, predicate=predicate)
    assert refusal.value.code == code


def test_a_huge_statement_is_refused():
    with pytest.raises(MalformedError) as refusal:
        parse_statement(GOOD, predicate_type=TYPE, what="receipt", limit=len(GOOD) - 1)
    assert refusal.value.code == "format.oversize"
