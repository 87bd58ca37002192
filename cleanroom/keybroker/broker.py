# SPDX-License-Identifier: Apache-2.0
"""One owner's key broker: it decides, records, logs, and only then answers.

The order is the promise. A decision and its record are one transaction, so a
crash can neither give a use back nor spend one without a statement; the log is
written before the answer leaves, so no statement exists that the log will deny.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cleanroom.contract.broker_requests import (
    BrokerStatus,
    Challenge,
    ChallengeRequest,
    CommitRequest,
    Notice,
    ReleaseRequest,
)
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.statements import Acknowledgement, LoggedStatement
from cleanroom.envelope.dsse import Envelope
from cleanroom.errors import CleanroomError, KeyRefusedError, UnavailableError
from cleanroom.identity.pins import Pins
from cleanroom.identity.private_files import make_private_directory, require_private_directory
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_STATE_ENTRY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.commit_decision import decide_commit
from cleanroom.keybroker.controls import EVERYTHING
from cleanroom.keybroker.decision import RelyingParty, decide
from cleanroom.keybroker.freshness import NONCE_BYTES, NONCE_LIFETIME
from cleanroom.keybroker.key_source import HomeKeys, KeySource
from cleanroom.keybroker.known_agreements import KnownAgreements
from cleanroom.keybroker.notices import Audience, learn, notice_digest, take_notice
from cleanroom.keybroker.owner import BrokerOwner
from cleanroom.keybroker.speech import (
    seal_release,
    sign_acknowledgement,
    sign_commit,
    sign_refusal,
    sign_release,
    word_commit,
)
from cleanroom.keybroker.sql_standing import SqlStanding
from cleanroom.keybroker.standing import RecordedCommit, RecordedRelease, RecordedStatement
from cleanroom.keybroker.state import BrokerState, Transaction
from cleanroom.keybroker.statement_log import LOG_DIRECTORY, StatementLog
from cleanroom.keybroker.taken_back import is_taken_back
from cleanroom.keybroker.turns import Turns
from cleanroom.ledger.tiles import MAX_BUNDLE_BYTES, is_published

__all__ = ["BrokerOwner", "KeyBroker"]

MAX_OUTSTANDING_NONCES = 10_000
EPOCH_BYTES = 16
COMMITS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Home:
    """What an open broker holds on disk."""

    path: Path
    state: BrokerState
    log: StatementLog


def _fitting(digests: Sequence[Digest], standing: SqlStanding, *, most: int) -> tuple[bytes, ...]:
    found: list[bytes] = []
    left = most
    for digest in digests:
        entry = standing.known_entry(digest)
        left -= len(entry)
        if found and left < 0:
            break
        found.append(entry)
    return tuple(found)


class KeyBroker(Closing):
    """A broker over one home directory; one process at a time holds it."""

    def __init__(
        self,
        home: _Home,
        *,
        owner: BrokerOwner,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        """Take an opened home; use :meth:`open`."""
        self._home = home
        self._owner = owner
        self._key = owner.signing_key()
        self._clock = clock
        self._entropy = entropy
        self._keys: KeySource = HomeKeys(home=home.path, receiving=owner.receiving)
        self._agreements = KnownAgreements()
        # One decision at a time: statements are numbered in the order of the log.
        self._turns = Turns(home.state, begin=self._require_known, settle=self._log_all)

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        owner: BrokerOwner,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> KeyBroker:
        """Lock the home, open its state and log, and finish what a crash left.

        Raises:
            UnavailableError: Another broker holds the home, or the disk refuses.
            IntegrityError: The home is another party's, damaged, or older than its log.
            RefusedError: Others may read the home.
        """
        key = owner.signing_key()
        make_private_directory(home)
        require_private_directory(home)
        state = BrokerState(home)
        try:
            state.begin(party=owner.name, epoch=entropy(EPOCH_BYTES).hex(), at=clock())
            log = StatementLog(home, party=owner.name, key=key)
            try:
                with state.transaction() as opened:
                    log.check(opened.standing)
                    log.catch_up(opened.standing)
            except BaseException:
                log.close()
                raise
        except BaseException:
            state.close()
            raise
        opened_home = _Home(path=home, state=state, log=log)
        return cls(opened_home, owner=owner, clock=clock, entropy=entropy)

    def challenge(self, request: ChallengeRequest) -> Challenge:
        """Give a nonce that serves one release of one run, and only soon.

        Raises:
            UnavailableError: Too many nonces are waiting, or the disk refuses.
        """
        nonce = self._entropy(NONCE_BYTES)

        def remember(opened: Transaction) -> Challenge:
            expires = self._clock() + NONCE_LIFETIME
            opened.recorder.nonce(nonce, request=request, expires=expires)
            return Challenge(party=self._owner.name, nonce=nonce, expires=expires)

        return self._turns.take(remember, first=self._require_room)

    def release(self, request: ReleaseRequest) -> LoggedStatement:
        """Decide, reserve, record, log, and answer with sealed keys.

        A runner that asks again gets the same statement, and it costs nothing.

        Raises:
            CleanroomError: As :func:`cleanroom.keybroker.decision.decide`.
            UnavailableError: The disk refuses; whether a use was spent is then told by
                asking again.
        """
        audience = self._audience()
        recorded = self._turns.take(
            lambda opened: self._release(request, pins=audience.pins, opened=opened),
            # What the request shows is remembered even if it is refused.
            first=lambda opened: learn(request.bundle, audience=audience, opened=opened),
        )
        return self._home.log.logged(recorded)

    def commit(self, request: CommitRequest) -> LoggedStatement:
        """Store the new state, move the heads and countersign.

        Raises:
            CleanroomError: As :func:`cleanroom.keybroker.commit_decision.decide_commit`.
            UnavailableError: The disk refuses; asking again is safe.
        """
        recorded = self._turns.take(lambda opened: self._commit(request, opened=opened))
        return self._home.log.logged(recorded)

    def notice(self, notice: Notice) -> LoggedStatement:
        """Keep a rejection, revocation or contract for ever, and acknowledge it.

        Raises:
            CleanroomError: As :func:`cleanroom.keybroker.notices.take_notice`.
        """
        recorded = self._turns.take(lambda opened: self._notice(notice, opened=opened))
        return self._home.log.logged(recorded)

    def refusal(self, error: CleanroomError, *, run: str) -> Envelope:
        """Sign why a request was refused.

        Refusals grant nothing and are not logged: logging them would let anybody who
        reaches the broker fill its owner's disk.
        """
        return sign_refusal(error, self._key, party=self._owner.name, run=run, at=self._clock())

    def status(self) -> BrokerStatus:
        """Tell what anybody may know."""
        return self._turns.take(
            lambda opened: BrokerStatus(
                party=self._owner.name,
                document=self._owner.party.digest,
                epoch=opened.standing.epoch,
                time=self._clock(),
                log_size=self._home.log.size,
                heads=opened.standing.heads(),
            )
        )

    def require_ready(self) -> None:
        """Raise unless a release could be recorded now.

        Raises:
            UnavailableError: The memory cannot be written, or the owner has stopped everything.
        """
        # In turn: such a transaction takes the lock to write before anything is read.
        stops = self._turns.take(lambda opened: opened.standing.stops())
        if any(subject == EVERYTHING for _, subject in stops):
            raise UnavailableError(
                "broker: its owner has stopped everything",
                code="broker.not-ready",
                hint="cleanroom broker resume all",
            )

    def parties_of(self, contract: Digest) -> frozenset[str]:
        """Return who signed a contract that this broker knows; nobody if it does not."""
        with self._home.state.look() as standing:
            known = standing.contract(contract)
        if known is None:
            return frozenset()
        return frozenset(parse_contract(known.file.data).party_names)

    def is_revoked(self, party: str, key: SSHPublicKey) -> bool:
        """Tell whether a party took back a signing key of its own, from now or before."""
        pins, at = self._owner.pins(), self._clock()
        with self._home.state.look() as standing:
            return is_taken_back(party, key, standing=standing, pins=pins, at=at)

    def commits(self, lineage: str, *, start: int) -> tuple[Envelope, ...]:
        """Return commits that moved a lineage, for the owner of a broker that lost its memory.

        Args:
            lineage: Of any owner.
            start: How many the caller has already; at most ``COMMITS_AT_ONCE`` come at once.
        """
        # In turn: what is recorded and not logged yet is nobody's to know.
        return self._turns.take(
            lambda opened: opened.standing.commits_of(lineage, start=start, most=COMMITS_AT_ONCE)
        )

    def entry(self, digest: Digest) -> bytes:
        """Return a sealed state entry.

        Raises:
            KeyRefusedError: No such entry was committed here.
        """
        return self._turns.take(lambda opened: opened.standing.known_entry(digest))

    def entries(self, digests: Sequence[Digest]) -> tuple[bytes, ...]:
        """Return sealed state entries in this order, as a client over the wire does.

        Raises:
            KeyRefusedError: One was never committed here.
        """
        return self.first_entries(digests, most=len(digests) * MAX_STATE_ENTRY_BYTES)

    def first_entries(self, digests: Sequence[Digest], *, most: int) -> tuple[bytes, ...]:
        """Return sealed state entries in this order: the first, and as many more as fit.

        Args:
            digests: At least one.
            most: Bytes that all of them may have together, unless the first alone has more.

        Raises:
            KeyRefusedError: One that is reached was never committed here.
        """
        return self._turns.take(lambda opened: _fitting(digests, opened.standing, most=most))

    def log_file(self, path: str) -> bytes:
        """Return a file of the log.

        Raises:
            KeyRefusedError: No file that a log publishes.
            UnavailableError: The log has no such file yet.
        """
        if not is_published(path):
            raise KeyRefusedError("log: no such file", code="broker.log-path")
        return read_limited(
            self._home.path / LOG_DIRECTORY / path, what="log file", limit=MAX_BUNDLE_BYTES
        )

    def close(self) -> None:
        """Give the home back."""
        self._home.log.close()
        self._home.state.close()

    def _require_room(self, opened: Transaction) -> None:
        # Expired ones are kept a while, so that a slow runner hears "expired".
        opened.recorder.sweep_nonces(expired_before=self._clock() - NONCE_LIFETIME)
        if opened.standing.outstanding_nonces() >= MAX_OUTSTANDING_NONCES:
            raise UnavailableError(
                "challenge: too many are waiting",
                code="broker.challenges-full",
                hint="try again in a few minutes",
            )

    def _release(
        self, request: ReleaseRequest, *, pins: Pins, opened: Transaction
    ) -> RecordedStatement:
        relying = RelyingParty(
            party=self._owner.party,
            pins=pins,
            keys=self._keys,
            agreements=self._agreements,
        )
        grant = decide(request, owner=relying, standing=opened.standing, at=self._clock())
        if isinstance(grant, RecordedRelease):
            return grant.statement
        release = seal_release(
            grant, owner=self._owner, keys=self._keys, epoch=opened.standing.epoch
        )
        envelope = sign_release(release, self._key)
        return opened.recorder.release(release, envelope, touched=grant.touched)

    def _commit(self, request: CommitRequest, *, opened: Transaction) -> RecordedStatement:
        name, standing, at = self._owner.name, opened.standing, self._clock()
        grant = decide_commit(request, party=name, standing=standing, at=at)
        if isinstance(grant, RecordedCommit):
            return grant.statement
        commit = word_commit(grant, party=name, epoch=standing.epoch, at=at)
        envelope = sign_commit(commit, self._key)
        return opened.recorder.commit(commit, envelope, entry=grant.entry)

    def _notice(self, notice: Notice, *, opened: Transaction) -> RecordedStatement:
        document = notice_digest(notice)
        known = opened.standing.acknowledgement(document)
        if known is not None:
            return known
        acknowledgement = Acknowledgement(
            party=self._owner.name,
            epoch=opened.standing.epoch,
            kind=take_notice(notice, audience=self._audience(), opened=opened),
            document=document,
            acknowledged_at=self._clock(),
        )
        envelope = sign_acknowledgement(acknowledgement, self._key)
        return opened.recorder.acknowledgement(document, envelope)

    def _audience(self) -> Audience:
        return Audience(
            party=self._owner.name, pins=self._owner.pins(), agreements=self._agreements
        )

    def _require_known(self, opened: Transaction) -> None:
        # A server that came back as its own older copy does so while the broker runs.
        self._home.log.require_known(opened.standing)

    def _log_all(self) -> None:
        with self._home.state.look() as standing:
            self._home.log.catch_up(standing)
