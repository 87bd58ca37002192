# SPDX-License-Identifier: Apache-2.0
import dataclasses
import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.contract.broker_answer import decode_failure, encode_failure
from cleanroom.contract.broker_requests import (
    BrokerStatus,
    Challenge,
    ChallengeRequest,
    CommitRequest,
    ContractNotice,
    RejectionNotice,
    ReleaseRequest,
    RevocationNotice,
)
from cleanroom.contract.broker_wire import (
    MAX_ENTRIES_AT_ONCE,
    decode_challenge,
    decode_challenge_request,
    decode_commit_request,
    decode_commits,
    decode_entries,
    decode_entries_request,
    decode_release_request,
    decode_status,
    encode_challenge,
    encode_challenge_request,
    encode_commit_request,
    encode_commits,
    encode_entries,
    encode_entries_request,
    encode_release_request,
    encode_status,
)
from cleanroom.contract.logged_statement import logged_from_json, logged_to_json
from cleanroom.contract.notice_wire import decode_notice, encode_notice
from cleanroom.contract.statements import LoggedStatement, StateStep
from cleanroom.envelope.dsse import sign_statement
from cleanroom.errors import (
    CleanroomError,
    KeyRefusedError,
    MalformedError,
    UnavailableError,
)
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from tests.support.keys import signing_key
from tests.support.room_documents import build_room

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
DIGEST = Digest.of(b"x")
ENVELOPE = sign_statement(b"payload", signing_key("key"))
STEP = StateStep(lineage="hospital.patients", previous=DIGEST, next=Digest.of(b"y"))
ROOM = build_room()
COMMIT = CommitRequest(
    run="run-00000001", receipt=ENVELOPE, lineages=(STEP,), entry=b"{\n}\n", owners=("hospital",)
)
STATUS = BrokerStatus(
    party="hospital",
    document=DIGEST,
    epoch="e1",
    time=NOW,
    log_size=3,
    heads={"hospital.patients": DIGEST},
)

ROUND_TRIPS = {
    "challenge request": (
        ChallengeRequest(contract=DIGEST, run="run-00000001"),
        encode_challenge_request,
        decode_challenge_request,
    ),
    "challenge": (
        Challenge(party="hospital", nonce=b"n" * 32, expires=NOW),
        encode_challenge,
        decode_challenge,
    ),
    "release request": (
        ReleaseRequest(bundle=ROOM.bundle, runtime_data=b"{}", evidence=b"{}"),
        encode_release_request,
        decode_release_request,
    ),
    "commit request": (COMMIT, encode_commit_request, decode_commit_request),
    "stored answer": (
        dataclasses.replace(COMMIT, entry=None),
        encode_commit_request,
        decode_commit_request,
    ),
    "commits": ((ENVELOPE, ENVELOPE), encode_commits, decode_commits),
    "status": (STATUS, encode_status, decode_status),
    "rejection": (RejectionNotice(document=ROOM.bundle.run), encode_notice, decode_notice),
    "revocation": (RevocationNotice(document=ROOM.bundle.run), encode_notice, decode_notice),
    "contract": (ContractNotice(bundle=ROOM.bundle.agreement), encode_notice, decode_notice),
}


@pytest.mark.parametrize("kind", ROUND_TRIPS)
def test_what_is_written_is_read_back(kind):
    value, encode, decode = ROUND_TRIPS[kind]
    assert decode(encode(value)) == value


@pytest.mark.parametrize("kind", ROUND_TRIPS)
@pytest.mark.parametrize("change", ["cut", "appended", "unknown key", "other format"])
def test_bytes_of_another_shape_are_malformed(kind, change):
    value, encode, decode = ROUND_TRIPS[kind]
    data = encode(value)
    head, newline, rest = data.partition(b"\n")
    document = json.loads(head)
    if change == "cut":
        data = data[: len(head) // 2]
    elif change == "appended":
        data = head + b"}" + newline + rest
    elif change == "unknown key":
        data = canonical_json({**document, "zzz": 1}) + newline + rest
    else:
        data = canonical_json({**document, "format": "cleanroom.other.v0"}) + newline + rest
    with pytest.raises(MalformedError):
        decode(data)


DECODERS = [
    decode_challenge_request,
    decode_challenge,
    decode_release_request,
    decode_commit_request,
    decode_status,
    decode_notice,
    decode_failure,
]


@settings(max_examples=60)
@given(st.sampled_from(DECODERS), st.binary(max_size=200))
def test_strange_bytes_raise_nothing_but_malformed(decode, data):
    with pytest.raises(MalformedError):
        decode(data)


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(ROUND_TRIPS)),
    st.integers(min_value=0),
    st.integers(min_value=0, max_value=255),
)
def test_one_changed_byte_reads_as_something_or_is_malformed(kind, at, byte):
    value, encode, decode = ROUND_TRIPS[kind]
    data = bytearray(encode(value))
    data[at % len(data)] = byte
    try:
        decode(bytes(data))
    except MalformedError:
        return


@pytest.mark.parametrize("nonce", ["bg==", "x"])
def test_a_nonce_of_another_length_is_malformed(nonce):
    document = json.loads(encode_challenge(ROUND_TRIPS["challenge"][0]))
    with pytest.raises(MalformedError):
        decode_challenge(canonical_json({**document, "nonce": nonce}))


@pytest.mark.parametrize(
    ("announced", "entry"),
    [("none", b"\nentry"), ("follows", b"\n"), ("none", b""), ("maybe", b"\n")],
)
def test_an_entry_follows_exactly_as_announced(announced, entry):
    head = json.loads(encode_commit_request(COMMIT).partition(b"\n")[0])
    with pytest.raises(MalformedError, match="as announced"):
        decode_commit_request(canonical_json({**head, "entry": announced}) + entry)


@pytest.mark.parametrize("run", ["", "short", "../../etc", "RUN-00000001", "r" * 65])
def test_a_run_id_of_another_form_is_malformed(run):
    data = encode_challenge_request(ChallengeRequest(contract=DIGEST, run=run))
    with pytest.raises(MalformedError, match="run"):
        decode_challenge_request(data)


LOGGED = LoggedStatement(statement=ENVELOPE, index=4, checkpoint="note\n", proof=(b"p" * 32,))


def test_a_logged_statement_is_read_back():
    assert logged_from_json(logged_to_json(LOGGED), what="statement") == LOGGED


@pytest.mark.parametrize(
    "log",
    [
        {"index": -1},
        {"index": "4"},
        {"proof": ["zz"]},
        {"proof": ["AB"]},
        {"proof": [""]},
        {"proof": ["a b"]},
        {"proof": ["ab"] * 64},
        {"checkpoint": "x" * 70_000},
        {"more": 1},
    ],
    ids=lambda log: next(iter(log)),
)
def test_a_place_in_a_log_of_another_form_is_malformed(log):
    document = logged_to_json(LOGGED)
    with pytest.raises(MalformedError):
        logged_from_json({**document, "log": {**document["log"], **log}}, what="statement")


@pytest.mark.parametrize("refusal", [ENVELOPE, None])
def test_an_error_arrives_as_the_class_that_was_raised(refusal):
    error = KeyRefusedError("nonce: expired", code="broker.nonce-expired", hint="again")
    failure = decode_failure(encode_failure(error, refusal=refusal))
    assert type(failure.error) is KeyRefusedError
    assert (failure.error.message, failure.error.code) == (error.message, error.code)
    assert failure.error.hint == "again"
    assert failure.refusal == refusal


def test_an_unknown_class_of_error_is_still_an_error():
    document = json.loads(encode_failure(UnavailableError("a", code="b.c"), refusal=None))
    document["error"]["class"] = "Success"
    assert type(decode_failure(canonical_json(document)).error) is CleanroomError


def test_the_words_of_a_foreign_process_cannot_move_the_cursor():
    error = CleanroomError("\x1b[2Jall is well\n" + "x" * 900, code="a.b", hint="\u202e")
    heard = decode_failure(encode_failure(error, refusal=None)).error
    assert heard.message.isprintable()
    assert heard.hint == "?"
    assert len(heard.message) == 500


@pytest.mark.parametrize("code", ["", "Upper", "a b", "x" * 65, "-"])
def test_a_code_of_another_form_is_malformed(code):
    document = json.loads(encode_failure(UnavailableError("a", code="b.c"), refusal=None))
    document["error"]["code"] = code
    with pytest.raises(MalformedError, match="proper code"):
        decode_failure(canonical_json(document))


def test_a_notice_carries_one_signature_only():
    signatures = {**ROOM.bundle.run.signatures, "hospital": b"x"}
    file = dataclasses.replace(ROOM.bundle.run, signatures=signatures)
    with pytest.raises(MalformedError):
        decode_notice(encode_notice(RevocationNotice(document=file)))


@pytest.mark.parametrize("entries", [(), (b"one",), (b"one", b"", b"the\nthird")])
def test_entries_come_back_as_they_were(entries):
    assert decode_entries(encode_entries(entries)) == entries


@pytest.mark.parametrize(
    "data",
    [
        b'{"format":"cleanroom.entries.v0","sizes":[3]}',
        b'{"format":"cleanroom.entries.v0","sizes":[3]}\nonetwo',
        b'{"format":"cleanroom.entries.v0","sizes":[4]}\none',
        b'{"format":"cleanroom.entries.v0","sizes":[-1,4]}\none',
        b'{"format":"cleanroom.entries.v0","sizes":["3"]}\none',
        b'{"format":"cleanroom.entries.v1","sizes":[3]}\none',
        b"\n",
    ],
    ids=["no line", "more", "less", "negative", "text", "other format", "no head"],
)
def test_entries_of_other_sizes_than_announced_are_malformed(data):
    with pytest.raises(MalformedError):
        decode_entries(data)


def test_as_many_entries_as_may_be_asked_for_at_once_fit_into_a_request():
    digests = tuple(Digest.of(bytes([number])) for number in range(MAX_ENTRIES_AT_ONCE))
    assert decode_entries_request(encode_entries_request(digests)) == digests


@pytest.mark.parametrize(
    "digests",
    [
        [],
        [Digest.of(b"one"), Digest.of(b"one")],
        [Digest.of(bytes(number)) for number in range(MAX_ENTRIES_AT_ONCE + 1)],
    ],
    ids=["none", "twice", "too many"],
)
def test_no_entry_one_twice_or_too_many_cannot_be_asked_for(digests):
    with pytest.raises(MalformedError) as refused:
        decode_entries_request(encode_entries_request(digests))
    assert refused.value.code == "broker.entries-form"


def test_an_entry_over_its_limit_is_malformed():
    with pytest.raises(MalformedError, match="over its limit"):
        decode_commit_request(encode_commit_request(COMMIT), entry_limit=3)
