# SPDX-License-Identifier: Apache-2.0
"""Streams of a hub's events end and break; whoever listens goes on from the last one."""

import itertools

import pytest

from cleanroom.cli.hearing import FIRST_PAUSE, LONGEST_PAUSE, again_and_again
from cleanroom.cli.main import run
from cleanroom.errors import UnavailableError
from cleanroom.hub.events import Event, EventKind
from cleanroom.mirror.events import Position

AWAY = UnavailableError("hub: does not answer", code="hub.unavailable")


def event(number):
    return Event(
        number=number, kind=EventKind.RUN, subject="runs/x", digest=None, at="2026-01-01T00:00:00Z"
    )


class Hub:
    """Answers each request with the next stream; an error in it breaks it."""

    def __init__(self, *streams):
        self.streams, self.asked = iter(streams), []

    def __call__(self, after):
        self.asked.append(after)
        for item in next(self.streams):
            if isinstance(item, Exception):
                raise item
            yield item


def hear(hub, most, *, after=None):
    told, slept = [], []
    heard = again_and_again(hub, after=after, tell=told.append, sleep=slept.append)
    return list(itertools.islice(heard, most)), told, slept


def test_each_stream_begins_where_the_last_one_ended():
    start = Position(after=4, gap=False)
    hub = Hub([start, event(5), event(6)], [event(7), AWAY], [AWAY], [event(8)])
    heard, told, slept = hear(hub, 5)
    assert heard == [start, event(5), event(6), event(7), event(8)]
    assert hub.asked == [None, 6, 7, 7]
    assert told == ["hub: does not answer; asking again"] * 2
    assert slept == [FIRST_PAUSE, FIRST_PAUSE, 2 * FIRST_PAUSE]


def test_a_hub_that_ends_every_stream_is_not_flooded():
    hub = Hub([event(1)], *[[]] * 20, [event(2)])
    _, _, slept = hear(hub, 2)
    assert slept[-1] == LONGEST_PAUSE
    assert len(hub.asked) == 22


def test_a_hub_that_never_answered_is_an_error():
    with pytest.raises(UnavailableError):
        hear(Hub([AWAY]), 1, after=3)


def test_a_directory_tells_nobody(capsys):
    assert run(["room", "events", "--room", "room"]) == 4
    assert "agreed a room in a hub" in capsys.readouterr().err
