# SPDX-License-Identifier: Apache-2.0
import json
import logging

import pytest

from cleanroom.errors import MalformedError
from cleanroom.server.journal import KEYS, Journal, Strictness, Verbosity, heard_through
from tests.support.brokers import TickingClock

CANARY = "canary-5f3a"


@pytest.fixture
def lines():
    return []


def journal(lines, **knobs):
    """Make a journal that writes into a list."""
    found = Journal(lines.append, service="hub", clock=TickingClock(), **knobs)
    found.know(["/v0/live", "/v0/rooms/{name}/entries"])
    return found


def test_a_line_is_one_object_with_its_time(lines):
    journal(lines).say("request", route="/v0/live", method="GET", status=200, milliseconds=3)
    (line,) = lines
    assert line.endswith("\n")
    assert line.count("\n") == 1
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "event": "request",
        "level": "info",
        "service": "hub",
        "route": "/v0/live",
        "method": "GET",
        "status": 200,
        "milliseconds": 3,
    }


# What somebody may one day try to log, by key and by value.
UNLISTED = [
    {"message": "x"},
    {"path": "/srv/hub"},
    {"sql": "SELECT 1"},
    {"passphrase": "x"},
    {"token": "x"},
    {"status": "200 " + CANARY},
    {"status": True},
    {"status": -1},
    {"status": 1.5},
    {"status": None},
    {"status": {"x": CANARY}},
    {"route": "/v0/rooms/canary/entries"},
    {"route": "/v0/{name}\n"},
    {"code": "a value: " + CANARY},
    {"code": "SELECT"},
    {"party": "Name With Spaces"},
    {"party": "x" * 40},
    {"error": "KeyError('" + CANARY + "')"},
    {"method": CANARY},
    {"event": CANARY},
    {"source": CANARY},
    {"version": CANARY},
]


@pytest.mark.parametrize("fields", UNLISTED)
def test_what_is_not_listed_is_refused_in_tests(lines, fields):
    event = fields.get("event", "request")
    rest = {key: value for key, value in fields.items() if key != "event"}
    with pytest.raises(MalformedError, match="^journal:") as refused:
        journal(lines, strictness=Strictness.REFUSE).say(event, **rest)
    assert CANARY not in refused.value.message
    assert lines == []


@pytest.mark.parametrize("fields", UNLISTED)
def test_what_is_not_listed_is_left_out_in_production(lines, fields):
    event = fields.get("event", "request")
    rest = {key: value for key, value in fields.items() if key != "event"}
    journal(lines).say(event, **rest)
    told = json.loads(lines[0])
    assert told["dropped"] == 1
    assert CANARY not in lines[0]
    assert set(told) <= {"time", "dropped", *KEYS}


def test_trouble_is_written_even_where_nobody_asked_for_requests(lines):
    quiet = journal(lines, verbosity=Verbosity.TROUBLE)
    quiet.say("request", status=200)
    quiet.say("request", status=500, level="error")
    assert [json.loads(line)["status"] for line in lines] == [500]


def test_libraries_speak_without_their_words(lines):
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    with heard_through(journal(lines, strictness=Strictness.REFUSE)):
        logging.getLogger("uvicorn.error").warning("path %s", CANARY)
        logging.getLogger(CANARY).error(CANARY)
        try:
            raise KeyError(CANARY)
        except KeyError:
            logging.getLogger("asyncio").exception(CANARY)
        logging.getLogger("sqlalchemy").info(CANARY)
    assert root.handlers == before
    told = [json.loads(line) for line in lines]
    assert [(line["source"], line["level"]) for line in told] == [
        ("uvicorn.error", "warning"),
        ("other", "error"),
        ("asyncio", "error"),
    ]
    assert told[2]["error"] == "KeyError"
    assert CANARY not in "".join(lines)
