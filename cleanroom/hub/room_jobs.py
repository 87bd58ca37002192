# SPDX-License-Identifier: Apache-2.0
"""The queue of one room: who may put a job, take one, and bring its result.

Only a request that a party signed becomes a job, only whoever the room's contract
calls operator gets one, and a result counts if every owner's broker signed for it.
None of this protects a secret: an operator who ignores it can withhold and repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from cleanroom.contract import places
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.contract_terms import Contract
from cleanroom.contract.query import parse_query
from cleanroom.contract.run_request import RunRequest, parse_run_request
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.hub.delivery import require_the_result
from cleanroom.hub.events import EventKind
from cleanroom.hub.index import IndexChange, RoomIndex
from cleanroom.hub.job import Job, Lease, NewJob
from cleanroom.hub.job_table import Bearer, JobTable
from cleanroom.hub.job_wire import Beat, Delivery, Giving
from cleanroom.hub.wire import Content
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


class Documents(Protocol):
    """What a queue asks of its room."""

    def file(self, document: str) -> SignedFile:
        """Return a document with its signatures."""

    def read(self, place: str, *, limit: int) -> bytes:
        """Return the bytes of what lies at a place."""

    def content_bytes(self, content: Content, *, what: str, limit: int) -> bytes:
        """Return the bytes of objects that are here."""

    def party_bytes(self, digest: Digest) -> bytes | None:
        """Return a party document by its digest."""

    def agreed_contract(self) -> Contract | None:
        """Return the contract that every admitted party signed."""

    def require_whole(self, content: Content) -> None:
        """Raise unless the objects of a file are here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomJobs:
    """The jobs of a room.

    Attributes:
        index: The database that holds them beside the entries.
        documents: The room.
        clock: The hub's clock.
    """

    index: RoomIndex
    documents: Documents
    clock: Clock

    def put(self, party: str, run: str) -> Job:
        """Queue a run request that lies in the room; asking again changes nothing.

        Raises:
            RefusedError: Not the submitter's, expired, or for a query that is not here.
            UnavailableError: Too many wait.
        """
        request = self._request(run)
        self._require_submitter(request, party)
        if self.clock() >= request.expires:
            raise RefusedError(
                f"run {run}: its request has expired",
                code="hub.run-expired",
                hint="sign a new one: cleanroom run",
            )
        job = NewJob(
            run=run,
            submitter=party,
            lineages=self._lineages(request),
            expires=request.expires,
        )
        with self._changing() as (jobs, _):
            return jobs.put(job)

    def cancel(self, party: str, run: str) -> Job:
        """Let nobody begin or go on with a job.

        Raises:
            RefusedError: Not the submitter's, or never queued.
        """
        self._require_submitter(self._request(run), party)
        with self._changing() as (jobs, _):
            return jobs.cancel(run)

    def find(self, run: str) -> Job:
        """Return a job.

        Raises:
            RefusedError: That run was never queued.
        """
        with self._changing(durable=False) as (jobs, _):
            return jobs.require(run)

    def latest(self) -> tuple[Job, ...]:
        """Return the jobs that came last."""
        with self._changing(durable=False) as (jobs, _):
            return jobs.latest()

    def take(self, party: str) -> Lease | None:
        """Lease the next job to a runner of an operator; ``None`` if there is none.

        Raises:
            RefusedError: The contract does not call this party operator.
        """
        self._require_operator(party)
        with self._changing() as (jobs, _):
            return jobs.take(party)

    def beat(self, party: str, run: str, beat: Beat) -> None:
        """Hold a lease for longer.

        Raises:
            RefusedError: The lease counts no more.
        """
        with self._changing() as (jobs, _):
            jobs.beat(run, Bearer(party=party, lease=beat.lease), stage=beat.stage)

    def give_up(self, party: str, run: str, giving: Giving) -> None:
        """End a job without a result, or put it back.

        Raises:
            RefusedError: The lease counts no more.
        """
        bearer = Bearer(party=party, lease=giving.lease)
        with self._changing() as (jobs, _):
            act: Callable[..., None] = jobs.hand_back if giving.again else jobs.fail
            act(run, bearer, error=giving.error)

    def deliver(self, party: str, run: str, delivery: Delivery) -> None:
        """Put the one result of a run into the room; the same again changes nothing.

        A lease is not asked for: keys were released, a use is spent, and brokers
        countersign one receipt a run. Its receivers get it however late it comes.

        Raises:
            RefusedError: The contract does not call this party operator, or that run
                was never queued.
            MalformedError: Not a receipt, or not whole.
            IntegrityError: Not what every owner's broker countersigned.
        """
        self._require_operator(party)
        request = self._request(run)
        receipt = places.receipt_file(run)
        result = places.result_file(run)
        for place, content in ((result, delivery.result), (receipt, delivery.receipt)):
            self.documents.require_whole(content)
            if content.size > places.limit_of(place):
                raise MalformedError(f"{place}: too large", code="format.oversize")
        require_the_result(
            self.documents.content_bytes(
                delivery.receipt, what=receipt, limit=places.limit_of(receipt)
            ),
            run=run,
            result=delivery.result.digest,
            owners=self._owners(request),
        )
        with self._changing() as (jobs, change):
            jobs.require(run)
            # The result first: who sees the receipt finds it.
            self._put_once(change, result, delivery.result, kind=EventKind.RESULT)
            self._put_once(change, receipt, delivery.receipt, kind=EventKind.RECEIPT)
            jobs.finish(run)

    @contextmanager
    def _changing(self, *, durable: bool = True) -> Iterator[tuple[JobTable, IndexChange]]:
        with self.index.changing(durable=durable) as change:
            yield change.jobs(at=self.clock()), change

    def _request(self, run: str) -> RunRequest:
        place = places.run_file(run)
        try:
            file = self.documents.file(place)
        except MalformedError:
            raise RefusedError(
                f"run {run}: its request is not in this room",
                code="hub.no-run",
                hint="push the signed request first: cleanroom run does both",
            ) from None
        request = parse_run_request(file.data, what=place)
        if request.submitter not in file.signatures or request.run != run:
            raise RefusedError(f"run {run}: not signed by its submitter", code="hub.run-unsigned")
        return request

    def _lineages(self, request: RunRequest) -> frozenset[str]:
        for entry in self.index.below(places.QUERIES):
            if entry.content.digest == request.query and entry.place.endswith("/query.toml"):
                query = parse_query(self.documents.file(entry.place).data)
                return frozenset(query.datasets)
        raise RefusedError(
            f"run {request.run}: its query is not in this room",
            code="hub.no-query",
            hint="push the query and its approvals first",
        )

    def _owners(self, request: RunRequest) -> dict[str, PartyDocument]:
        """Find the owners of the contract that a run is for, which may be an earlier one."""
        current = self.index.entry(places.CONTRACT)
        same = current is not None and current.content.digest == request.contract
        place = places.CONTRACT if same else places.archive_file(request.contract)
        contract = parse_contract(
            self.documents.read(place, limit=places.limit_of(place)), what=place
        )
        request.contract.require(contract.digest, what=place)
        found = {}
        for party in contract.parties:
            data = self.documents.party_bytes(party.document)
            if party.name in contract.owners and data is not None:
                found[party.name] = parse_party(data)
        if set(found) != set(contract.owners):
            raise RefusedError(
                f"run {request.run}: party documents of its owners are not here",
                code="hub.no-party",
                hint="each owner pushes its party document",
            )
        return found

    def _require_operator(self, party: str) -> None:
        contract = self.documents.agreed_contract()
        roles = () if contract is None else contract.parties
        if not any(each.name == party and "operator" in each.roles for each in roles):
            raise RefusedError(
                f"hub: the room's contract does not call {party} operator",
                code="hub.not-operator",
                hint="cleanroom contract new --operator NAME, signed by all parties",
            )

    def _require_submitter(self, request: RunRequest, party: str) -> None:
        if request.submitter != party:
            raise RefusedError(
                f"run {request.run}: signed by {request.submitter}, asked for by {party}",
                code="hub.not-submitter",
                hint="a run's own submitter queues and cancels it",
            )

    def _put_once(
        self, change: IndexChange, place: str, content: Content, *, kind: EventKind
    ) -> None:
        before = change.entry(place)
        if before is None:
            change.put(place, content)
            change.publish(kind, place, at=self.clock(), digest=content.digest)
        elif before.content.digest != content.digest:
            raise IntegrityError(
                f"{place}: another one lies there, agreed one result a run",
                code="hub.other-result",
                hint="compare both receipts' countersignatures: a broker signed twice",
            )
