# SPDX-License-Identifier: Apache-2.0
"""What crosses between the process that speaks HTTP and the one with the keys."""

import logging
import socket
import threading
from contextlib import contextmanager
from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.contract.broker_wire import decode_challenge, encode_challenge_request
from cleanroom.contract.statements import verify_refusal
from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.server.answers import Answer, BrokerAnswers, Question
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.callers import OWNERS_USER, LocalDoor
from cleanroom.server.channel import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Desk,
    RemoteAnswers,
    read_frame,
    write_frame,
)
from tests.support.room_documents import RUN

REFUSED = RefusedError("request: not signed", code="request.unsigned", hint="sign it")


class Scripted:
    """Answers of whoever has the keys, with nothing behind them."""

    def __init__(self):
        self.heard = []

    def ask(self, question):
        self.heard.append(question)
        if question.kind == "mistake":
            raise ZeroDivisionError("a-value-that-nobody-may-see")
        if question.kind == "ready":
            return Answer(body=b"no", status=403, error=REFUSED)
        return Answer(body=question.body[::-1], media="application/octet-stream")

    def refuse(self, error):
        self.heard.append(error)
        return Answer(body=error.message.encode(), status=500, error=error)


@contextmanager
def remote(answers, *, ends=1):
    """Ask through sockets, with a thread behind each."""
    pairs = [socket.socketpair() for _ in range(ends)]
    desk = Desk(answers, [end for _, end in pairs])
    try:
        yield RemoteAnswers([mine for mine, _ in pairs])
    finally:
        for mine, _ in pairs:
            mine.close()
        desk.close()


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
def test_a_question_and_its_answer_cross_whole(size):
    body, scripted = bytes(range(256)) * (size // 256) + b"x" * (size % 256), Scripted()
    asked = Question(
        kind="commits", caller="insurer", place="hospital.patients", start=7, body=body
    )
    with remote(scripted) as answers:
        told = answers.ask(asked)
    assert scripted.heard == [asked]
    assert told == Answer(body=body[::-1], media="application/octet-stream")


def test_an_error_keeps_its_body_its_status_and_what_is_written_down_of_it():
    with remote(Scripted()) as answers:
        told = answers.ask(Question(kind="ready"))
    assert (told.body, told.status) == (b"no", 403)
    assert type(told.error) is RefusedError
    # The words are in the body; what is counted and written down is class and code.
    assert (told.error.code, told.error.message) == (REFUSED.code, "")


def test_what_a_door_refused_is_told_by_whoever_can_sign():
    scripted = Scripted()
    with remote(scripted) as answers:
        told = answers.refuse(REFUSED)
    (heard,) = scripted.heard
    assert (type(heard), heard.message, heard.code, heard.hint) == (
        RefusedError,
        REFUSED.message,
        REFUSED.code,
        REFUSED.hint,
    )
    assert told.body == REFUSED.message.encode()


def test_a_mistake_of_ours_ends_one_question_and_none_of_its_words_leave(caplog):
    with remote(Scripted()) as answers, caplog.at_level(logging.CRITICAL):
        told = answers.ask(Question(kind="mistake"))
        assert told.error.code == "server.failed"
        assert b"a-value" not in told.body
        assert answers.ask(Question(kind="log", body=b"ab")).body == b"ba"


def test_as_many_ask_at_once_as_there_are_sockets():
    meeting = threading.Barrier(3)

    class Meeting(Scripted):
        def ask(self, question):
            meeting.wait(60)
            return super().ask(question)

    with remote(Meeting(), ends=3) as answers:
        heard = []
        threads = [
            threading.Thread(target=lambda: heard.append(answers.ask(Question(kind="log"))))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [answer.status for answer in heard] == [200] * 3


def test_without_the_process_with_the_keys_everybody_is_told_to_ask_again():
    # Also whom a door refused: an error while an error is answered would be the last word.
    mine, other = socket.socketpair()
    answers = RemoteAnswers([mine])
    other.close()
    with mine, TestClient(make_broker_app(answers, door=LocalDoor())) as client:
        for answer in (
            client.post("/v0/release", content=b"x" * 1_000_000),
            client.get("/v0/ready"),
            client.get("/v0/commits/no-lineage/0"),
        ):
            assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            told = decode_failure(answer.content).error
            assert (type(told), told.code) == (UnavailableError, "broker.ended")


@pytest.mark.parametrize("cut", [3, 14])
def test_a_frame_that_ends_early_is_nobody_s_question(cut):
    mine, other = socket.socketpair()
    write_frame(mine, {"kind": "release"}, b"body")
    whole = other.recv(1000)
    mine.sendall(whole[:cut])
    mine.close()
    with other, pytest.raises(ConnectionResetError):
        read_frame(other)


@pytest.mark.parametrize(("head", "body"), [(MAX_HEAD_BYTES + 1, 0), (2, MAX_BODY_BYTES + 1)])
def test_a_frame_over_its_limit_ends_the_socket_before_anything_of_it_is_read(head, body):
    mine, other = socket.socketpair()
    mine.sendall(head.to_bytes(4, "big") + body.to_bytes(8, "big"))
    scripted = Scripted()
    with mine:
        Desk(scripted, [other]).close()
        assert mine.recv(1) == b""
    assert scripted.heard == []


@pytest.mark.parametrize("line", [b"[1]", b"{", b"\xff\xff", b"[" * 60_000])
def test_a_frame_without_its_line_ends_the_socket(line):
    mine, other = socket.socketpair()
    # What follows would be read as the next question, were the socket kept.
    mine.sendall(len(line).to_bytes(4, "big") + (4).to_bytes(8, "big") + line + b"body")
    write_frame(mine, {"kind": "log", "caller": "", "place": "", "start": 0}, b"ab")
    scripted = Scripted()
    with mine:
        Desk(scripted, [other]).close()
    assert scripted.heard == []


def test_a_question_over_its_limit_is_told_so_and_its_socket_goes_on():
    scripted = Scripted()
    with remote(scripted) as answers:
        for asked in (
            Question(kind="log", body=bytes(MAX_BODY_BYTES + 1)),
            Question(kind="log", place="x" * MAX_HEAD_BYTES),
        ):
            told = answers.ask(asked)
            assert (told.status, told.error.code) == (400, "format.oversize")
            assert decode_failure(told.body).error.code == "format.oversize"
        assert answers.ask(Question(kind="log", body=b"ab")).body == b"ba"
    assert len(scripted.heard) == 1


def test_an_answer_over_its_limit_is_a_mistake_of_ours_and_its_socket_goes_on(caplog):
    class Large(Scripted):
        def ask(self, question):
            answer = super().ask(question)
            return answer if question.body else Answer(body=b"", media="x" * MAX_HEAD_BYTES)

    with remote(Large()) as answers, caplog.at_level(logging.CRITICAL):
        assert answers.ask(Question(kind="log")).error.code == "server.failed"
        assert answers.ask(Question(kind="log", body=b"ab")).body == b"ba"


OTHERS = b"the answer to somebody else"


def answers_of_a_stranger(other, *frames):
    """Read a question for each, and send what no process of ours sends."""

    def speak():
        for frame in frames:
            read_frame(other)
            other.sendall(frame)

    thread = threading.Thread(target=speak)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "start",
    [
        (MAX_HEAD_BYTES + 1).to_bytes(4, "big") + bytes(8),
        (2).to_bytes(4, "big") + (MAX_BODY_BYTES + 1).to_bytes(8, "big"),
        (2).to_bytes(4, "big") + bytes(8) + b"[]",
    ],
)
def test_a_socket_that_is_out_of_step_gives_nobody_another_s_answer(start, caplog):
    caplog.set_level(logging.CRITICAL)
    bad, good = socket.socketpair(), socket.socketpair()
    gone = threading.Event()
    answers = RemoteAnswers([good[0], bad[0]], deserted=gone.set)
    desk = Desk(Scripted(), [good[1]])
    with bad[1], good[0]:
        whole = socket.socketpair()
        with whole[0], whole[1]:
            write_frame(whole[0], {"class": "", "status": 200, "media": "m"}, OTHERS)
            following = whole[1].recv(1000)
        stranger = answers_of_a_stranger(bad[1], start + following)
        told = answers.ask(Question(kind="log", body=b"ab"))
        stranger.join(60)
        assert (type(told.error), told.error.code) == (UnavailableError, "broker.ended")
        # The one that is left answers; the other was closed, so that its process sees it.
        for _ in range(3):
            assert answers.ask(Question(kind="log", body=b"ab")).body == b"ba"
        assert bad[0].fileno() < 0
        assert not gone.is_set()
    desk.close()


def test_when_no_socket_is_left_everybody_is_told_and_the_process_ends():
    mine, other = socket.socketpair()
    gone = []
    answers = RemoteAnswers([mine], deserted=lambda: gone.append(True))
    other.close()
    for _ in range(3):
        assert answers.ask(Question(kind="ready")).error.code == "broker.ended"
    assert gone == [True]


def test_a_broker_answers_across_processes_as_it_does_within_one(bench, room):
    body = encode_challenge_request(ChallengeRequest(contract=room.contract_digest, run=RUN))
    asked = Question(kind="challenge", caller=OWNERS_USER, body=body)
    with remote(BrokerAnswers(bench.brokers["hospital"])) as answers:
        assert decode_challenge(answers.ask(asked).body).party == "hospital"


def test_no_other_party_asks_for_what_only_the_owner_of_a_history_may_know(bench):
    asked = {"kind": "commits", "place": "hospital.patients"}
    answers = BrokerAnswers(bench.brokers["hospital"])
    assert answers.ask(Question(caller="hospital", **asked)).error is None
    assert answers.ask(Question(caller=OWNERS_USER, **asked)).error is None
    for caller in ("insurer", ""):
        assert answers.ask(Question(caller=caller, **asked)).error.code == "request.not-yours"


def test_a_refusal_of_a_door_is_signed_by_the_broker(bench, room):
    answer = BrokerAnswers(bench.brokers["hospital"]).refuse(REFUSED)
    envelope = decode_failure(answer.body).refusal
    key = room.parties["hospital"].document.broker_key
    assert verify_refusal(envelope, party="hospital", broker_key=key).code == REFUSED.code


def test_a_question_that_nobody_knows_is_malformed(bench):
    answer = BrokerAnswers(bench.brokers["hospital"]).ask(Question(kind="keys"))
    assert isinstance(answer.error, MalformedError)
