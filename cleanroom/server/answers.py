# SPDX-License-Identifier: Apache-2.0
"""What a broker answers once it is known who asks: bytes in, one call, bytes out.

Whoever speaks HTTP asks here, from the same process or from one that holds no key. Who
asks decides nothing about keys: it keeps one party from asking about another's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Protocol

from cleanroom.contract.broker_answer import encode_failure
from cleanroom.contract.broker_wire import (
    ENTRIES_BYTES_AT_ONCE,
    decode_challenge_request,
    decode_commit_request,
    decode_entries_request,
    decode_release_request,
    encode_challenge,
    encode_commits,
    encode_entries,
    encode_status,
)
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.logged_statement import logged_to_json
from cleanroom.contract.notice_wire import decode_notice
from cleanroom.contract.run_request import parse_run_request
from cleanroom.contract.statements import LoggedStatement
from cleanroom.contract.types import LINEAGE, require_form, split_lineage
from cleanroom.errors import CleanroomError, MalformedError, RefusedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.server.callers import require_one_of
from cleanroom.server.outcome import BYTES, JSON, status_of

NO_RUN = "none"  # a run id has at least eight characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a broker.

    Attributes:
        kind: What for.
        caller: The party that a door let in, or the owner's own user; nobody in particular
            asks for what anybody may know.
        place: What the path of the request names.
        start: Where to begin, of commits.
        body: As it was sent.
    """

    kind: str
    caller: str = ""
    place: str = ""
    start: int = 0
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a broker says.

    Attributes:
        body: What goes to whoever asked.
        media: Its type.
        status: Of HTTP.
        error: What the question ended in; nothing for an answer.
    """

    body: bytes
    media: str = JSON
    status: int = HTTPStatus.OK
    error: CleanroomError | None = None


class Answers(Protocol):
    """A broker, wherever it is."""

    def ask(self, question: Question) -> Answer:
        """Answer a question; an error of our tree is an answer as well."""

    def refuse(self, error: CleanroomError) -> Answer:
        """Answer with an error that a door found, signed by the broker if a rule says no."""


class BrokerAnswers:
    """The answers of a broker of this process."""

    def __init__(self, broker: KeyBroker) -> None:
        """Answer for an open broker."""
        self._broker = broker

    def ask(self, question: Question) -> Answer:
        """Answer a question; an error of our tree is an answer as well."""
        try:
            return _KINDS.get(question.kind, _unknown)(self._broker, question)
        except _Denied as denied:
            return self._failed(denied.error, run=denied.run)
        except CleanroomError as error:
            return self._failed(error, run=NO_RUN)

    def refuse(self, error: CleanroomError) -> Answer:
        """Answer with an error that a door found, signed by the broker if a rule says no."""
        return self._failed(error, run=NO_RUN)

    def _failed(self, error: CleanroomError, *, run: str) -> Answer:
        refused = isinstance(error, RefusedError)
        body = encode_failure(
            error, refusal=self._broker.refusal(error, run=run) if refused else None
        )
        return Answer(body=body, status=status_of(error), error=error)


class _Denied(Exception):  # noqa: N818 - carries an error of the tree to its answer
    """What a rule said no to, on the way to a signed refusal about one run."""

    def __init__(self, error: RefusedError, *, run: str) -> None:
        super().__init__()
        self.error = error
        self.run = run


def _challenge(broker: KeyBroker, question: Question) -> Answer:
    request = decode_challenge_request(question.body)
    parties = broker.parties_of(request.contract)
    if parties:
        require_one_of(question.caller, parties)
    return Answer(body=encode_challenge(broker.challenge(request)))


def _release(broker: KeyBroker, question: Question) -> Answer:
    request = decode_release_request(question.body)
    run = parse_run_request(request.bundle.run.data).run
    # These bytes are verified by the decision; here they only say whose business it is.
    parties = parse_contract(request.bundle.agreement.contract.data).party_names
    require_one_of(question.caller, parties)
    return _stated(lambda: broker.release(request), run=run)


def _commit(broker: KeyBroker, question: Question) -> Answer:
    request = decode_commit_request(question.body)
    return _stated(lambda: broker.commit(request), run=request.run)


def _notice(broker: KeyBroker, question: Question) -> Answer:
    notice = decode_notice(question.body)
    return _stated(lambda: broker.notice(notice), run=NO_RUN)


def _stated(ask: Callable[[], LoggedStatement], *, run: str) -> Answer:
    """Answer with the statement; where a rule says no, a signed refusal names the run."""
    try:
        return Answer(body=canonical_json(logged_to_json(ask())))
    except RefusedError as error:
        raise _Denied(error, run=run) from error


def _status(broker: KeyBroker, question: Question) -> Answer:
    del question  # anybody may know
    return Answer(body=encode_status(broker.status()))


def _commits(broker: KeyBroker, question: Question) -> Answer:
    lineage = require_form(question.place, LINEAGE, what="lineage", agreed="owner.table")
    require_one_of(question.caller, [split_lineage(lineage)[0]])
    return Answer(body=encode_commits(broker.commits(lineage, start=question.start)))


def _entry(broker: KeyBroker, question: Question) -> Answer:
    digest = Digest.parse(f"sha256:{question.place}", what="state entry")
    return Answer(body=broker.entry(digest), media=BYTES)


def _entries(broker: KeyBroker, question: Question) -> Answer:
    digests = decode_entries_request(question.body)
    found = broker.first_entries(digests, most=ENTRIES_BYTES_AT_ONCE)
    return Answer(body=encode_entries(found), media=BYTES)


def _log_file(broker: KeyBroker, question: Question) -> Answer:
    return Answer(body=broker.log_file(question.place), media=BYTES)


def _ready(broker: KeyBroker, question: Question) -> Answer:
    del question  # anybody may know
    broker.require_ready()
    return Answer(body=canonical_json({"ready": True}))


def _unknown(broker: KeyBroker, question: Question) -> Answer:
    del broker, question  # nothing of either is told
    raise MalformedError("request: no such question", code="broker.request")


_KINDS: Mapping[str, Callable[[KeyBroker, Question], Answer]] = MappingProxyType(
    {
        "challenge": _challenge,
        "release": _release,
        "commit": _commit,
        "notice": _notice,
        "status": _status,
        "commits": _commits,
        "entry": _entry,
        "entries": _entries,
        "log": _log_file,
        "ready": _ready,
    }
)
