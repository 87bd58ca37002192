# SPDX-License-Identifier: Apache-2.0
import dataclasses
import datetime as dt
import sqlite3

import pytest

from cleanroom.contract.introduction import KEY_FIELD, KEY_SIGNATURE_FIELD
from cleanroom.envelope.http_signature import (
    RequestTarget,
    SignatureTerms,
    content_digest,
    sign_request,
)
from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.server.callers import Limits, NetworkDoor, RequestHead
from cleanroom.server.rates import MAX_CALLERS, Rate, RateLimit
from cleanroom.server.replays import REPLAY_FILE, ReplayStore
from tests.support.brokers import TickingClock
from tests.support.keys import pins_of, throwaway_party
from tests.support.served_brokers import GENEROUS, caller_of

PARTY = throwaway_party("hospital")
PUBLISHED = "https://Broker.example:443/hospital"
TARGET = RequestTarget(
    method="POST", authority="broker.example", path="/hospital/v0/release", query=""
)
BODY = b"{}"


@pytest.fixture
def clock():
    return TickingClock()


@pytest.fixture
def replays(tmp_path):
    store = ReplayStore(tmp_path)
    yield store
    store.close()


def make_door(clock, replays, *, revoked=(), rate=GENEROUS, seconds=lambda: 0.0):
    """Guard a broker that pinned one party."""
    return NetworkDoor(
        PUBLISHED,
        pins=lambda: pins_of(PARTY),
        is_revoked=lambda party, _key: party in revoked,
        clock=clock,
        replays=replays,
        limits=Limits(
            strangers=RateLimit(GENEROUS, seconds=seconds), parties=RateLimit(rate, seconds=seconds)
        ),
    )


def signed(clock, *, nonce="n" * 22, label="request key", at=None):
    """Make the head of a signed request."""
    caller = caller_of(PARTY, clock, label=label)
    fields = caller.sign(TARGET, BODY, nonce=nonce, at=at or clock())
    return RequestHead(
        method="POST",
        path="/v0/release",
        query="",
        fields=[*fields.items(), ("host", "whatever")],
        peer="192.0.2.1",
    )


def refuse(door, head, *, code, kind=RefusedError):
    """Expect a refusal by its code."""
    with pytest.raises(kind) as refused:
        door.admit(head)
    assert refused.value.code == code
    return refused.value


def with_field(head, name, value):
    """Put another value into a header field; None takes it away."""
    others = [(key, text) for key, text in head.fields if key != name]
    return dataclasses.replace(head, fields=[*others, *([(name, value)] if value else [])])


def test_a_pinned_party_comes_in_once(clock, replays):
    """T-05: a recorded request is not heard twice."""
    door, head = make_door(clock, replays), signed(clock)
    caller = door.admit(head)
    assert caller.party == "hospital"
    caller.require_body(BODY)
    caller.require_one_of({"hospital", "insurer"})
    refuse(door, head, code="request.replayed")
    door.admit(signed(clock, nonce="m" * 22))


def test_a_caller_asks_about_its_own_contracts_only(clock, replays):
    caller = make_door(clock, replays).admit(signed(clock))
    with pytest.raises(RefusedError) as refused:
        caller.require_one_of({"insurer"})
    assert refused.value.code == "request.not-yours"
    with pytest.raises(IntegrityError):
        caller.require_body(b"[]")


@pytest.mark.parametrize("minutes", [-10, -2, 2, 10])
def test_a_clock_that_is_off_is_named_with_both_times(clock, replays, minutes):
    at = clock() + dt.timedelta(minutes=minutes)
    error = refuse(make_door(clock, replays), signed(clock, at=at), code="request.clock")
    for moment in (at, clock()):
        assert f"{moment:%Y-%m-%dT%H:%M:%SZ}" in error.message


def test_clocks_may_be_a_minute_apart(clock, replays):
    door = make_door(clock, replays)
    for nonce, seconds in (("a" * 22, -59), ("b" * 22, 60)):
        door.admit(signed(clock, nonce=nonce, at=clock() + dt.timedelta(seconds=seconds)))


def test_a_request_expires(clock, replays):
    head = signed(clock)
    clock.advance(seconds=60)
    refuse(make_door(clock, replays), head, code="request.expired")


def test_a_request_that_would_count_for_long_is_refused(clock, replays):
    caller = caller_of(PARTY, clock)
    terms = SignatureTerms(
        created=clock(),
        expires=clock() + dt.timedelta(minutes=5),
        nonce="n" * 22,
        key=Digest.of(caller.document),
    )
    fields = sign_request(TARGET, digest=content_digest(BODY), terms=terms, key=caller.key)
    head = signed(clock)
    for name, value in fields.items():
        head = with_field(head, name, value)
    refuse(make_door(clock, replays), head, code="request.expired")


def test_a_request_key_that_its_party_revoked_is_refused(clock, replays):
    door = make_door(clock, replays, revoked={"hospital"})
    refuse(door, signed(clock), code="request.key-revoked")


def test_a_request_key_that_expired_is_refused(clock, replays):
    head = signed(clock)
    clock.advance(hours=2)
    late = signed(TickingClock(), at=clock())
    refuse(make_door(clock, replays), late, code="request.key-expired")
    refuse(make_door(clock, replays), head, code="request.clock")


def test_the_document_of_another_key_is_refused(clock, replays):
    other = dict(signed(clock, label="other").fields)
    head = with_field(signed(clock), KEY_FIELD, other[KEY_FIELD])
    refuse(make_door(clock, replays), head, code="digest.mismatch", kind=IntegrityError)


@pytest.mark.parametrize("field", [KEY_FIELD, KEY_SIGNATURE_FIELD])
@pytest.mark.parametrize("value", [None, "x", ":", ":" + "A" * 20_000 + ":"])
def test_a_field_of_another_form_is_malformed(clock, replays, field, value):
    head = with_field(signed(clock), field, value)
    refuse(make_door(clock, replays), head, code="request.form", kind=MalformedError)


def test_a_field_that_came_twice_is_malformed(clock, replays):
    head = signed(clock)
    twice = dataclasses.replace(head, fields=[*head.fields, head.fields[0]])
    refuse(make_door(clock, replays), twice, code="request.fields", kind=MalformedError)


def test_the_host_that_the_request_names_decides_nothing(clock, replays):
    """T-25: a relay that sends a request elsewhere also writes another host."""
    head = with_field(signed(clock), "host", "broker.example")
    elsewhere = dataclasses.replace(head, path="/v0/commit")
    refuse(make_door(clock, replays), elsewhere, code="request.signature", kind=IntegrityError)
    make_door(clock, replays).admit(head)


def test_what_was_refused_is_not_remembered(clock, replays, tmp_path):
    head = dataclasses.replace(signed(clock), path="/v0/commit")
    refuse(make_door(clock, replays), head, code="request.signature", kind=IntegrityError)
    with sqlite3.connect(tmp_path / REPLAY_FILE) as database:
        assert database.execute("SELECT count(*) FROM heard").fetchone() == (0,)


def test_a_party_that_asks_too_often_waits_under_every_request_key(clock, replays):
    now = [0.0]
    rate = Rate(per_second=1, burst=2)
    door = make_door(clock, replays, rate=rate, seconds=lambda: now[0])
    for nonce in ("a", "b"):
        door.admit(signed(clock, nonce=nonce * 22))
    head = signed(clock, nonce="c" * 22, label="other key")
    refuse(door, head, code="broker.too-many", kind=UnavailableError)
    now[0] = 1.0
    door.admit(head)


def test_strangers_are_counted_by_address_and_forgotten_in_order():
    limit = RateLimit(Rate(per_second=1, burst=1), seconds=lambda: 0.0)
    limit.take("first")
    for number in range(MAX_CALLERS - 1):
        limit.take(str(number))
    with pytest.raises(UnavailableError):
        limit.take("first")
    for number in range(MAX_CALLERS):
        limit.take(f"more {number}")
    limit.take("first")


def test_heard_requests_survive_a_restart_and_are_forgotten_in_time(clock, tmp_path):
    key, expires = Digest.of(b"key"), clock() + dt.timedelta(seconds=60)
    first = ReplayStore(tmp_path)
    first.hear(key, "n", expires=expires, at=clock())
    first.close()
    again = ReplayStore(tmp_path)
    with pytest.raises(RefusedError):
        again.hear(key, "n", expires=expires, at=clock())
    again.hear(Digest.of(b"other"), "n", expires=expires, at=clock())
    # Whoever sends it now is refused because it expired; it need not be remembered.
    again.hear(key, "n", expires=expires, at=expires)
    again.close()
    assert (tmp_path / REPLAY_FILE).stat().st_mode & 0o077 == 0


def test_a_store_that_cannot_be_written_believes_nobody(clock, tmp_path):
    with pytest.raises(UnavailableError) as refused:
        ReplayStore(tmp_path / "nowhere")
    assert refused.value.code == "broker.replays"
    store = ReplayStore(tmp_path)
    store.close()
    with pytest.raises(UnavailableError):
        store.hear(Digest.of(b"key"), "n", expires=clock(), at=clock())
