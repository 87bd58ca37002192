# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest

from cleanroom.errors import KeyRefusedError, UnavailableError
from cleanroom.runner.patience import LONGEST_PAUSE, PatientBroker

AWAY = UnavailableError("broker: does not answer", code="broker.unreachable")
NO = KeyRefusedError("release: expired", code="broker.release-expired")


class Moody:
    """A broker that fails as often as it is told to, then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)

    def _answer(self, question):
        if self.errors:
            raise self.errors.pop(0)
        return question

    challenge = release = commit = entries = _answer


def patient(broker, *, seconds):
    """Make it wait without waiting; the pauses come back."""
    now, pauses = [0.0], []

    def rest(pause):
        now[0] += pause
        pauses.append(pause)

    asked = PatientBroker(
        broker=broker,
        patience=dt.timedelta(seconds=seconds),
        seconds=lambda: now[0],
        rest=rest,
    )
    return asked, pauses


@pytest.mark.parametrize("what", ["challenge", "release", "commit", "entries"])
def test_a_broker_that_comes_back_is_asked_again(what):
    asked, pauses = patient(Moody(AWAY, AWAY, AWAY), seconds=60)
    assert getattr(asked, what)("question") == "question"
    assert pauses == [0.25, 0.5, 1.0]


def test_patience_ends():
    asked, pauses = patient(Moody(*[AWAY] * 1000), seconds=60)
    with pytest.raises(UnavailableError):
        asked.release("question")
    assert sum(pauses) <= 60
    assert max(pauses) == LONGEST_PAUSE


def test_a_refusal_is_not_asked_about_again():
    broker = Moody(NO, NO)
    asked, pauses = patient(broker, seconds=60)
    with pytest.raises(KeyRefusedError):
        asked.commit("question")
    assert (pauses, broker.errors) == ([], [NO])
