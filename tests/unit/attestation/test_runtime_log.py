# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest

from cleanroom.attestation.facts import RuntimeEvent, RuntimeLog
from cleanroom.attestation.runtime_log import (
    encode_runtime_log,
    events_of,
    extended_digest,
    parse_runtime_log,
    replayed,
    require_runtime_log,
    sha384,
)
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest

RUNNER, CONTRACT, QUERY = (Digest.of(name) for name in (b"runner", b"contract", b"query"))
EVENTS = events_of(runner=RUNNER, contract=CONTRACT, query=QUERY)
LOG = RuntimeLog(register=14, events=EVENTS)
VALUE = replayed(EVENTS)


def test_a_runner_extends_itself_then_the_contract_then_the_query():
    assert [(event.name, event.digest) for event in EVENTS] == [
        ("runner", RUNNER),
        ("contract", CONTRACT),
        ("query", QUERY),
    ]


def test_what_is_extended_is_labelled():
    expected = hashlib.sha256(b"cleanroom-ra/1\0event\0contract\0" + CONTRACT.raw).digest()
    assert extended_digest(EVENTS[1]) == expected
    assert len(extended_digest(EVENTS[1], hashed=sha384)) == 48
    assert len(replayed(EVENTS, hashed=sha384)) == 48


def test_a_complete_log_explains_its_register():
    assert require_runtime_log(LOG, value=VALUE) is LOG
    assert replayed(()) == bytes(32)


@pytest.mark.parametrize(
    "events",
    [
        (),
        EVENTS[:2],
        EVENTS[1:],
        (*EVENTS, EVENTS[2]),
        (EVENTS[1], EVENTS[0], EVENTS[2]),
        (EVENTS[0], RuntimeEvent(name="query", digest=CONTRACT), EVENTS[2]),
        (*EVENTS[:2], RuntimeEvent(name="query", digest=RUNNER)),
    ],
)
def test_a_log_with_an_event_left_out_added_moved_renamed_or_changed_is_refused(events):
    with pytest.raises(IntegrityError, match="^runtime log: register 14 replays") as caught:
        require_runtime_log(RuntimeLog(register=14, events=events), value=VALUE)
    assert caught.value.code == "attestation.runtime-log"


@pytest.mark.parametrize("value", [b"", VALUE[:-1], VALUE + b"\0", bytes(32)])
def test_a_value_is_compared_whole(value):
    with pytest.raises(IntegrityError):
        require_runtime_log(LOG, value=value)


def test_a_log_travels_unchanged():
    assert parse_runtime_log(encode_runtime_log(LOG)) == LOG


GOOD = encode_runtime_log(LOG)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([], "attestation.type"),
        ({"register": 14}, "attestation.missing-key"),
        (GOOD | {"bank": "sha1"}, "attestation.unknown-key"),
        (GOOD | {"register": -1}, "attestation.type"),
        (GOOD | {"register": 24}, "attestation.type"),
        (GOOD | {"register": True}, "attestation.type"),
        (GOOD | {"register": "14"}, "attestation.type"),
        (GOOD | {"events": {}}, "attestation.type"),
        (GOOD | {"events": GOOD["events"] * 6}, "attestation.type"),
        (GOOD | {"events": ["runner"]}, "attestation.type"),
        (GOOD | {"events": [{"name": "Runner", "digest": str(RUNNER)}]}, "attestation.text"),
        (GOOD | {"events": [{"name": "runner", "digest": "00"}]}, "digest.format"),
        (GOOD | {"events": [{"name": "runner"}]}, "attestation.missing-key"),
    ],
)
def test_a_log_of_another_form_is_refused(value, code):
    with pytest.raises(MalformedError) as caught:
        parse_runtime_log(value)
    assert caught.value.code == code
