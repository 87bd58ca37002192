# SPDX-License-Identifier: Apache-2.0
"""T-30: whoever operates a hub or a broker learns nothing of content from what it writes down.

Canaries stand wherever a caller can put something; logs, numbers, events and deliveries
are searched for them.
"""

import itertools
import json

import httpx2
import pytest
from starlette.testclient import TestClient

from cleanroom.contract import places
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import CleanroomError
from cleanroom.hub.index import RoomIndex
from cleanroom.hub.wire import Change
from cleanroom.kernel.digest import Digest
from cleanroom.mirror.events import follow
from cleanroom.server.answers import BrokerAnswers
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.callers import LocalDoor
from cleanroom.server.journal import KEYS, Journal, Strictness
from cleanroom.server.observing import Metrics, Observer, observe
from cleanroom.server.watching import Watch
from tests.support.brokers import ScriptedRunner, TickingClock, broker_bench
from tests.support.room_documents import QUERY, build_room
from tests.support.served_brokers import caller_of
from tests.support.served_hub import ROOM, content_of, files_of, served_hub

CANARY = "c4nary7"
DOCUMENTS = build_room()
FILES = files_of(DOCUMENTS.files())
HOSPITAL = DOCUMENTS.parties["hospital"]


class Ear:
    """Somebody who reads everything that a service writes down."""

    def __init__(self, service, strictness):
        self.lines = []
        journal = Journal(
            self.lines.append, service=service, clock=TickingClock(), strictness=strictness
        )
        self.observer = Observer(journal=journal, metrics=Metrics(service))

    def everything(self):
        """Return all of it as one text."""
        return "".join(self.lines) + self.observer.metrics.write(ready=True).decode()

    def require_nothing(self, *secrets):
        """Fail if any of it was heard."""
        text = self.everything().lower()
        assert self.lines
        for secret in (CANARY, *secrets):
            assert secret.lower() not in text
        for line in self.lines:
            assert set(json.loads(line)) <= {"time", *KEYS}


@pytest.fixture(params=list(Strictness), ids=lambda item: item.value)
def strictness(request):
    return request.param


def test_a_hub_writes_down_nothing_of_what_it_is_sent(tmp_path, strictness):
    ear, clock = Ear("hub", strictness), TickingClock()
    data = f"SELECT '{CANARY}' -- {CANARY}".encode()
    watch = Watch(observer=ear.observer, door=None)
    with served_hub(tmp_path / "hub", clock, rooms={ROOM: (HOSPITAL,)}, watch=watch) as hub:
        with hub.client(HOSPITAL) as client:
            client.put(Digest.of(data), data)
            client.put(Digest.of(FILES["contract.toml"]), FILES["contract.toml"])
            before = Change(
                place="contract.toml", previous=None, content=content_of(FILES["contract.toml"])
            )
            client.change([before])
            for place in (f"datasets/hospital.{CANARY}/parts/1.part", f"notes/{CANARY}", CANARY):
                with pytest.raises(CleanroomError):
                    client.change(
                        [Change(place=place, previous=Digest.of(b"x"), content=content_of(data))]
                    )
            heard = list(itertools.islice(follow(client, after=0), 2))
        with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
            wire.get(f"/{CANARY}?{CANARY}={CANARY}", headers={"authorization": f"Bearer {CANARY}"})
            wire.get(f"/v0/rooms/{CANARY}/entries/{CANARY}")
            wire.request(f"X-{CANARY}", "/v0/live")
            path = f"/v0/rooms/{ROOM}/objects/{CANARY}"
            target = RequestTarget(
                method="PUT", authority=hub.address.removeprefix("http://"), path=path
            )
            signed = caller_of(HOSPITAL, clock).sign(target, data, nonce="n" * 22, at=clock())
            wire.put(path, content=data, headers=signed)
        signatures = [
            value.decode("ascii") if isinstance(value, bytes) else value
            for value in signed.values()
        ]
    ear.require_nothing(*signatures, "contract.toml", str(tmp_path))
    # Events name a place that the hub itself checked, and the digest of what lies there.
    assert CANARY not in str(heard)


def test_events_carry_no_content(tmp_path):
    with served_hub(tmp_path / "hub", TickingClock(), rooms={ROOM: (HOSPITAL,)}) as hub:
        data = FILES["contract.toml"]
        with hub.client(HOSPITAL) as client:
            client.put(Digest.of(data), data)
            client.change([Change(place="contract.toml", previous=None, content=content_of(data))])
        index = RoomIndex(tmp_path / "hub" / "rooms" / ROOM)
        kept = index._database.execute("SELECT kind, subject, digest, at FROM event").fetchall()  # noqa: SLF001
        index.close()
    ((kind, subject, digest, at),) = kept
    assert (kind, subject, digest) == ("contract", "contract.toml", Digest.of(data).raw)
    assert len(at) == len("2026-01-01T00:00:00Z")


def test_a_broker_writes_down_nothing_of_what_it_is_sent(tmp_path, strictness):
    ear, room = Ear("broker", strictness), build_room()
    with broker_bench(tmp_path, room) as bench:
        app = make_broker_app(BrokerAnswers(bench.brokers["hospital"]), door=LocalDoor())
        observe(app, ear.observer)
        with TestClient(app, raise_server_exceptions=False) as wire:
            for place in ("challenge", "release", "commit", "notice"):
                wire.post(f"/v0/{place}", content=f'{{"contract":"{CANARY}"}}')
                wire.post(f"/v0/{place}?{CANARY}", content=CANARY)
            wire.get(f"/v0/entries/{CANARY}")
            wire.get(f"/v0/commits/{CANARY}.{CANARY}/0")
            wire.get(f"/v0/commits/hospital.x/{CANARY}")
            wire.get(f"/v0/log/{CANARY}")
            wire.get("/v0/status", headers={"cookie": CANARY})
        query = FILES[places.query_file(QUERY)].decode()
    assert ScriptedRunner(room=room)
    ear.require_nothing(str(tmp_path), query[:64])
