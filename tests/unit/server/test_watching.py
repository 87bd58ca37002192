# SPDX-License-Identifier: Apache-2.0
"""A service is watched: lines and numbers of closed lists, readiness by a door of its own."""

import json

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.server.answers import BrokerAnswers
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.callers import LocalDoor
from cleanroom.server.journal import Journal, Strictness
from cleanroom.server.observing import Metrics, Observer, observe
from cleanroom.server.watch_app import make_watch_app, open_watch_door
from cleanroom.server.watching import Watch, WatchOptions, watched, watching
from tests.support.brokers import TickingClock
from tests.support.keys import throwaway_party
from tests.support.served_hub import ROOM, served_hub


class Seconds:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.25
        return self.now


@pytest.fixture
def lines():
    return []


@pytest.fixture
def observer(lines):
    journal = Journal(
        lines.append, service="broker", clock=TickingClock(), strictness=Strictness.REFUSE
    )
    return Observer(journal=journal, metrics=Metrics("broker"), seconds=Seconds())


@pytest.fixture
def broker_client(bench, observer):
    app = make_broker_app(BrokerAnswers(bench.brokers["hospital"]), door=LocalDoor())
    observe(app, observer)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def samples(observer, name):
    """Read one metric as a collector does."""
    text = observer.metrics.write(ready=True).decode()
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_every_request_is_written_and_counted_by_its_pattern(broker_client, observer, lines):
    assert broker_client.get("/v0/status").status_code == 200
    assert broker_client.get("/v0/entries/" + "0" * 64).status_code == 403
    assert broker_client.get("/nowhere/canary").status_code == 404
    told = [json.loads(line) for line in lines]
    assert [(line["route"], line["status"]) for line in told] == [
        ("/v0/status", 200),
        ("/v0/entries/{written}", 403),
        ("other", 404),
    ]
    assert told[1]["code"]
    assert told[0]["milliseconds"] == 250
    assert "canary" not in "".join(lines)
    counted = samples(observer, "cleanroom_requests_total")
    assert sum(counted.values()) == 3
    assert (
        samples(observer, "cleanroom_errors_total")[
            (("error", "MalformedError"), ("service", "broker"))
        ]
        == 1
    )


def test_nobody_makes_new_series(broker_client, observer):
    """Labels come from closed lists, whatever paths, methods and names are sent."""
    for number in range(20):
        broker_client.request(f"X{number}", f"/v0/log/canary-{number}")
        broker_client.get(f"/v0/commits/canary{number}.x/0")
        broker_client.get(f"/canary/{number}")
    text = observer.metrics.write(ready=False).decode()
    assert "canary" not in text
    assert "X1" not in text
    assert len(samples(observer, "cleanroom_requests_total")) <= 6


def test_a_mistake_of_ours_is_answered_in_the_one_form(bench, observer, lines):
    app = make_broker_app(BrokerAnswers(bench.brokers["hospital"]), door=LocalDoor())

    @app.get("/v0/broken")
    def broken():
        raise KeyError("canary")

    observe(app, observer)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/v0/broken")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server.failed")
    assert "canary" not in answer.text + "".join(lines)
    assert json.loads(lines[-1])["level"] == "error"


def test_operators_read_numbers_and_readiness_beside_the_service(observer):
    state = {"ready": True}

    def require_ready():
        if not state["ready"]:
            raise UnavailableError("hub: cannot write now", code="hub.not-ready")

    with TestClient(make_watch_app(observer.metrics, require_ready=require_ready)) as client:
        assert client.get("/v0/live").json() == {"live": True}
        assert client.get("/v0/ready").json() == {"ready": True}
        assert 'cleanroom_ready{service="broker"} 1.0' in client.get("/metrics").text
        state["ready"] = False
        answer = client.get("/v0/ready")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "hub.not-ready")
        assert 'cleanroom_ready{service="broker"} 0.0' in client.get("/metrics").text


@pytest.mark.parametrize("listen", ["0.0.0.0:9100", "192.0.2.1:9100", "[::]:9100"])
def test_numbers_are_for_this_machine_alone(listen):
    with pytest.raises(RefusedError, match="^metrics:"):
        open_watch_door(listen)


def test_a_hub_that_is_watched_tells_who_asked_and_not_what(tmp_path, lines, observer):
    party = throwaway_party("hospital")
    clock = TickingClock()
    with served_hub(
        tmp_path / "hub", clock, rooms={ROOM: (party,)}, watch=Watch(observer=observer, door=None)
    ) as hub:
        with hub.client(party) as client:
            client.entries(0)
        with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
            assert wire.get("/v0/ready").json() == {"ready": True}
            wire.get(f"/v0/rooms/{ROOM}/entries/0")
    told = [json.loads(line) for line in lines]
    assert [(line["route"], line["status"], line.get("party")) for line in told] == [
        ("/v0/rooms/{name}/entries/{since}", 200, "hospital"),
        ("/v0/ready", 200, None),
        ("/v0/rooms/{name}/entries/{since}", 403, None),
    ]


def test_a_hub_that_cannot_write_is_not_ready(tmp_path):
    with served_hub(tmp_path / "hub", TickingClock(), rooms={}) as hub:
        (tmp_path / "hub" / "hub" / "ready").mkdir()
        with httpx2.Client(base_url=hub.address, trust_env=False) as wire:
            answer = wire.get("/v0/ready")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "hub.not-ready"


def test_watching_starts_and_ends_with_a_line(capsys):
    with watching("hub", WatchOptions(verbosity=watched("", log=True).verbosity)) as watch:
        assert watch.door is None
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["started", "ended"]
    with watching("hub", watched("", log=False)):
        pass
    assert capsys.readouterr().err == ""


def test_a_place_that_is_none_is_refused():
    with pytest.raises(MalformedError), watching("hub", watched("nowhere", log=False)):
        pass
