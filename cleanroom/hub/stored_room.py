# SPDX-License-Identifier: Apache-2.0
"""One room in a hub: who may change what, how much, and in which order.

Changes come as one list and happen together, so nobody ever sees a document
without the signatures that came with it. What is replaced goes to ``archive/``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.contract_terms import Contract
from cleanroom.contract.revocation import Revocation, parse_revocation
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.hub.events import Events, kind_of
from cleanroom.hub.index import IndexChange, RoomIndex
from cleanroom.hub.members import agreed_contract, members_of
from cleanroom.hub.objects import IncomingObject, ObjectStore
from cleanroom.hub.rights import Signed, right_of, signature_place
from cleanroom.hub.room_jobs import RoomJobs
from cleanroom.hub.webhooks import Webhook
from cleanroom.hub.wire import Change, Content, Entries, Entry, object_sizes
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.identity.pins import Pins, load_pins
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_DATASET_BYTES
from cleanroom.kernel.record import dataclass

MEMBERS = "members"
MAX_ENTRIES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    state: tuple[int, int]
    members: Pins
    contract: Contract | None
    revocations: tuple[Revocation, ...]


class StoredRoom(Closing):
    """A room as a hub keeps it; safe to use from several threads."""

    def __init__(self, home: Path, *, quota: int, clock: Clock, objects: ObjectStore) -> None:
        """Open a room's directory.

        Args:
            home: The directory; ``members/`` below it holds whom the operator admitted.
            quota: Largest size of all objects together, in bytes.
            clock: Says since when a revoked key no longer counts.
            objects: Where its objects lie.

        Raises:
            UnavailableError: The disk refuses.
        """
        self._home = home
        self._quota = quota
        self._clock = clock
        self._index = RoomIndex(home)
        self.objects = objects
        self.jobs = RoomJobs(index=self._index, documents=self, clock=clock)
        self._standing: _Standing | None = None

    def members(self) -> Pins:
        """Return the documents of the room's parties.

        Raises:
            CleanroomError: What the operator put there cannot be read.
        """
        return self._current().members

    def agreed_contract(self) -> Contract | None:
        """Return the contract that every admitted party signed, if there is one."""
        return self._current().contract

    def is_revoked(self, party: str, key: SSHPublicKey) -> bool:
        """Tell whether a party took back a signing key of its own, as far as the room shows."""
        standing, at = self._current(), self._clock()
        document = standing.members.documents.get(party)
        subjects = {Digest.of(key.blob), *(() if document is None else (document.digest,))}
        return any(
            told.party == party and told.subject in subjects and told.since <= at
            for told in standing.revocations
        )

    def entries(self, since: int) -> Entries:
        """Return what came after a revision."""
        return self._index.since(since)

    def events(self, after: int) -> Events:
        """Return what happened after an event."""
        return self._index.events(after=after)

    def last_event(self) -> int:
        """Return the number of the last event; 0 before the first."""
        return self._index.last_event()

    def webhooks_due(self) -> list[tuple[Webhook, Events]]:
        """Return the addresses that something is to be told now, and what."""
        at = int(self._clock().timestamp())
        due = [(hook, self.events(hook.after)) for hook in self._index.webhooks() if hook.due <= at]
        return [(hook, events) for hook, events in due if events.events or events.gap]

    def webhook_took(self, hook: Webhook, *, upto: int) -> None:
        """Remember that an address took all events up to one."""
        with self._index.changing(durable=False) as change:
            change.webhook_took(hook, upto=upto)

    def webhook_failed(self, hook: Webhook) -> None:
        """Remember that an address did not answer well."""
        with self._index.changing(durable=False) as change:
            change.webhook_failed(hook, at=int(self._clock().timestamp()))

    def missing(self, digests: Sequence[Digest]) -> tuple[Digest, ...]:
        """Return those objects that the room does not have."""
        return self._index.missing(digests)

    def require_object(self, digest: Digest) -> Path | None:
        """Return the file of an object of this room; ``None`` if it lies in another store.

        Raises:
            RefusedError: The room has none of that digest, whatever other rooms have.
        """
        if self._index.object_size(digest) is None:
            raise RefusedError(
                "hub: no such object in this room",
                code="hub.no-object",
                hint="ask for the room's entries again",
            )
        return self.objects.local_path(digest)

    def require_space(self, size: int) -> None:
        """Raise unless so many more bytes fit into the room.

        Raises:
            UnavailableError: They do not.
        """
        if self._index.stored_bytes() + size > self._quota:
            raise UnavailableError(
                f"hub: the room would exceed its {self._quota} bytes",
                code="hub.quota",
                hint="the hub's operator can serve with a larger --quota",
            )

    def keep(self, incoming: IncomingObject, digest: Digest) -> None:
        """Put an object that has arrived in its place; nothing happens if it is there.

        Raises:
            IntegrityError: Other bytes than its name says.
            UnavailableError: The room is full, or the disk refuses.
        """
        # Objects on their way may together exceed the quota by their own size, no more.
        self.require_space(incoming.size)
        incoming.finish()
        with self._index.changing(durable=False) as change:
            change.add_object(digest, incoming.size)

    def change(self, party: str, changes: Sequence[Change]) -> int:
        """Let a party change the room; all of the changes happen, or none.

        Returns:
            The room's new revision.

        Raises:
            MalformedError: A place that no room has, or a file that is not whole.
            RefusedError: Somebody else's place, or the room has changed meanwhile.
            IntegrityError: A signature does not match.
            UnavailableError: Too many files, or the disk refuses.
        """
        members = self.members()
        # Documents before their signatures: a new document takes the old signatures away.
        changes = sorted(changes, key=lambda change: signature_place(change.place) is not None)
        with self._index.changing() as index:
            for change in changes:
                # 1. Its own places (T-26): a party that writes elsewhere hides others' data.
                self._require_right(party, change.place, members, index)
                # 2. Knowing what was there: two parties must not undo each other's work.
                _require_previous(change, index.entry(change.place))
                # 3. Whole: an entry names objects that are here.
                self.require_whole(change.content)
            for change in changes:
                self._replace(change, index)
            for change in changes:
                # 4. Signed, once all of it is in place: nobody puts a forged signature here.
                self._require_signed(party, change.place, members)
            self._require_few()
        return self._index.revision()

    def close(self) -> None:
        """Close the room."""
        self._index.close()

    def _require_right(self, party: str, place: str, members: Pins, index: IndexChange) -> None:
        right = right_of(place)
        held = right.writer in (None, party)
        if place.startswith("parties/") and (
            index.entry(place) is None or right.writer not in members.documents
        ):
            # Somebody must bring the document of a party that a contract shall let in.
            # It is signed by itself, and the party replaces it once it is in.
            held = True
        if right.claim and index.entry(right.claim) is not None:
            held = index.entry(places.signature_file(right.claim, party)) is not None
        if not held:
            raise RefusedError(
                f"hub: {place} is another party's place",
                code="hub.place-taken",
                hint="a party writes its own documents and signatures; choose another name",
            )

    def require_whole(self, content: Content) -> None:
        """Raise unless the objects of a file are here.

        Raises:
            MalformedError: They are not, or of other sizes.
        """
        sizes = [self._index.object_size(digest) for digest in content.objects]
        if sizes != list(object_sizes(content.size)):
            raise MalformedError(
                "hub content: its objects are not here, or of other sizes",
                code="hub.content",
                hint="send the missing objects first",
            )

    def _replace(self, change: Change, index: IndexChange) -> None:
        place, before = change.place, index.entry(change.place)
        if before is not None and before.content.digest == change.content.digest:
            return
        if before is not None and right_of(place).kind:
            archive = places.archive_file(before.content.digest)
            index.put(archive, before.content)
            for signature in self._index.below(places.signature_directory(place)):
                name = signature.place.rpartition("/")[2]
                index.put(f"{places.signature_directory(archive)}/{name}", signature.content)
                index.remove(signature.place)
        index.put(place, change.content)
        kind = kind_of(place)
        if kind is not None:
            index.publish(kind, place, at=self._clock(), digest=change.content.digest)

    def _require_signed(self, party: str, place: str, members: Pins) -> None:
        signature = signature_place(place)
        document = place if signature is None else signature[0]
        right = right_of(document)
        signer = signature[1] if signature else right.writer or party
        if right.signed is Signed.NO or (signature is None and right.signed is Signed.BY_ANYBODY):
            return
        file = self.file(document)
        if right.kind == "revocation" and parse_revocation(file.data).party != signer:
            raise MalformedError(
                f"hub: {document} takes something back for another party",
                code="hub.place",
                hint="a revocation lies in the place of the party that signs it",
            )
        known = _signer(right.kind, file, members.documents, signer)
        verify_file(file, kind=right.kind, signer=known, what=document)

    def _require_few(self) -> None:
        if self._index.revision() > MAX_ENTRIES:
            raise UnavailableError(
                f"hub: the room has seen {MAX_ENTRIES} files",
                code="hub.entries",
                hint="go on in a new room; everything in this one stays",
            )

    def _current(self) -> _Standing:
        # Every request asks; documents are read again only once the room has changed.
        state = (self._index.revision(), (self._home / MEMBERS).stat().st_mtime_ns)
        known = self._standing
        if known is None or known.state != state:
            known = _Standing(
                state=state,
                members=self._read_members(),
                contract=self._read_contract(),
                revocations=self._revocations(),
            )
            self._standing = known
        return known

    def _read_members(self) -> Pins:
        admitted = load_pins(self._home / MEMBERS)
        return members_of(admitted, self._contract_file(), self.party_bytes)

    def _read_contract(self) -> Contract | None:
        return agreed_contract(load_pins(self._home / MEMBERS), self._contract_file())

    def _contract_file(self) -> SignedFile | None:
        entry = self._index.entry(places.CONTRACT)
        return None if entry is None else self.file(places.CONTRACT)

    def party_bytes(self, digest: Digest) -> bytes | None:
        """Return a party document by its digest, if the room has it."""
        known = [*self._index.below("parties"), self._index.entry(places.archive_file(digest))]
        if any(entry and entry.content.digest == digest for entry in known):
            return self.objects.read(digest)
        return None

    def _revocations(self) -> tuple[Revocation, ...]:
        entries = self._index.below(places.REVOCATIONS)
        documents = [entry for entry in entries if signature_place(entry.place) is None]
        return tuple(parse_revocation(self._read(entry)) for entry in documents)

    def file(self, document: str) -> SignedFile:
        """Return a document with its signatures.

        Raises:
            MalformedError: It is not here, or too large.
        """
        entry = self._index.entry(document)
        if entry is None:
            raise MalformedError(
                f"hub: a signature of {document}, which is not here", code="hub.no-document"
            )
        signatures = {
            found[1]: self._read(item)
            for item in self._index.below(places.signature_directory(document))
            if (found := signature_place(item.place)) is not None
        }
        return SignedFile(data=self._read(entry), signatures=signatures)

    def read(self, place: str, *, limit: int) -> bytes:
        """Return what lies at a place.

        Raises:
            MalformedError: Nothing does, or it is too large.
        """
        entry = self._index.entry(place)
        if entry is None:
            raise MalformedError(f"{place}: not here", code="hub.no-document")
        return self.content_bytes(entry.content, what=place, limit=limit)

    def content_bytes(self, content: Content, *, what: str, limit: int) -> bytes:
        """Return the bytes of objects that are here.

        Raises:
            MalformedError: More than the limit.
        """
        if content.size > limit:
            raise MalformedError(f"{what}: too large", code="format.oversize")
        return b"".join(self.objects.read(digest) for digest in content.objects)

    def _read(self, entry: Entry) -> bytes:
        return self.content_bytes(entry.content, what=entry.place, limit=MAX_DATASET_BYTES)


def _require_previous(change: Change, before: Entry | None) -> None:
    found = None if before is None else before.content.digest
    if found not in (change.previous, change.content.digest):
        raise RefusedError(
            f"hub: {change.place} has changed meanwhile",
            code="hub.changed",
            hint="cleanroom room pull, look at it, then try again",
        )


def _signer(
    kind: str, file: SignedFile, members: Mapping[str, PartyDocument], party: str
) -> PartyDocument:
    # A party that changes its keys signs its new document with them; whether the
    # others accept it is between them.
    document = parse_party(file.data) if kind == "party" else members.get(party)
    if document is None or document.name != party:
        raise RefusedError(
            f"hub: {party} is no party of this room",
            code="hub.no-member",
            hint="the hub's operator admits it: cleanroom hub admit",
        )
    return document
