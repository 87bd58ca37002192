# SPDX-License-Identifier: Apache-2.0
"""Where each document lies in a room, and how it gets there whole.

A room may be a Git repository, a folder share or a hub's storage, and nobody
trusts it: what is read here is verified elsewhere. This module only makes sure that
names stay inside the room, that documents are whole, and that bytes which were
once signed are still found after they were replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cleanroom.contract import places
from cleanroom.contract.bundle import ContractBundle, RunBundle
from cleanroom.contract.contract import Contract, ContractDataset, parse_contract
from cleanroom.contract.query import Query, parse_query
from cleanroom.contract.room_files import list_below, read_below, remove_below, write_below
from cleanroom.contract.run_request import RunRequest, parse_run_request
from cleanroom.contract.types import NAME
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import (
    MAX_CODE_BYTES,
    MAX_REVOCATIONS,
    MAX_SSHSIG_BYTES,
)
from cleanroom.kernel.record import dataclass

_DOCUMENT = re.compile(rf"({NAME})\.toml")
_SIGNATURE = re.compile(rf"({NAME})\.sig")
_REVOCATION = re.compile(rf"({NAME})-[0-9a-f]{{12}}\.toml")


class DocumentSource(Protocol):
    """Something that finds a document by its place and digest."""

    def find(self, relative: str, digest: Digest) -> SignedFile:
        """Return the exact document, with the signatures that are known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDirectory:
    """A room: a directory that every party can read and write, and nobody trusts.

    Attributes:
        path: The directory.
    """

    path: Path

    def load_contract_bundle(self) -> ContractBundle:
        """Read the current contract and every document that it names.

        Raises:
            UnavailableError: A document is not there.
            IntegrityError: A document that the contract names by digest has other bytes.
            MalformedError: The contract cannot be read, or the room holds links.
        """
        file = self.load(places.CONTRACT)
        contract = parse_contract(file.data, what=places.CONTRACT)
        return self._contract_bundle(file, contract)

    def load_run_bundle(self, run: str) -> RunBundle:
        """Read everything about one run, under the contract that it names.

        Raises:
            UnavailableError: A document is not there.
            IntegrityError: A document that is named by digest has other bytes.
            MalformedError: A document cannot be read, or the room holds links.
        """
        file = self.load(places.run_file(run))
        request = parse_run_request(file.data, what=places.run_file(run))
        if request.run != run:
            raise IntegrityError(
                f"{places.run_file(run)}: run: found {request.run!r}, agreed {run!r}",
                code="room.run",
                hint="a run request lies in the directory named after its run",
            )
        return self.run_bundle(file, request)

    def run_bundle(self, file: SignedFile, request: RunRequest) -> RunBundle:
        """Read everything around a run request, which need not lie in the room yet.

        Raises:
            UnavailableError: A document is not there.
            IntegrityError: A document that is named by digest has other bytes.
            MalformedError: A document cannot be read, or the room holds links.
        """
        contract_file = self.find(places.CONTRACT, request.contract)
        contract = parse_contract(contract_file.data, what=places.CONTRACT)
        name, query_signed = self._query(request.query)
        query = parse_query(query_signed.data, what=places.query_file(name))
        return RunBundle(
            agreement=self._contract_bundle(contract_file, contract),
            query=query_signed,
            code=self._code(name, query),
            approvals=self.load_approvals(name, contract),
            run=file,
            revocations=self._revocations(contract),
        )

    def load_approvals(self, name: str, contract: Contract) -> dict[str, SignedFile]:
        """Read what the contract's parties decided about a query, by approver.

        Raises:
            MalformedError: A document cannot be read, or the room holds links.
        """
        approvers = self._names(places.approvals_directory(name), _DOCUMENT)
        return {
            approver: self.load(places.approval_file(name, approver))
            for approver in approvers
            if approver in contract.party_names
        }

    def load(self, relative: str) -> SignedFile:
        """Read a document as it lies in the room now, with its signatures.

        Signatures of the same bytes in the archive count: while a document is
        replaced, that is where they are.

        Raises:
            UnavailableError: There is none.
            MalformedError: It is too large, or the room holds links.
        """
        file = self._signed(relative)
        if file is None:
            raise UnavailableError(
                f"{relative}: found no such document in the room, agreed one",
                code="room.absent",
                hint="check the room's path, and whether the other party has published it",
            )
        return file

    def find(self, relative: str, digest: Digest) -> SignedFile:
        """Return the exact document: the current one, else the archived one.

        Signatures of archived bytes are added, so a crash between archiving
        and publishing loses none.

        Raises:
            IntegrityError: Neither has this digest.
            MalformedError: The room holds links.
        """
        current = self._current(relative)
        archived = self._current(places.archive_file(digest))
        same = [file for file in (archived, current) if file and Digest.of(file.data) == digest]
        if not same:
            found = "none" if current is None else str(Digest.of(current.data))
            raise IntegrityError(
                f"{relative}: found {found}, agreed {digest}",
                code="room.other-bytes",
                hint="the agreed bytes are neither here nor in archive/: fetch them, or compare "
                "the digest that was given with its owner",
            )
        signatures = {name: sig for file in same for name, sig in file.signatures.items()}
        return SignedFile(data=same[0].data, signatures=signatures)

    def publish(self, relative: str, data: bytes, signatures: Mapping[str, bytes]) -> None:
        """Write a document and its signatures whole, archiving what it replaces.

        Publishing the bytes that are there already only adds signatures. A crash at any
        point leaves the old document or the new one, whole and with every signature that
        it has, and publishing again completes it.

        Raises:
            MalformedError: A name is no place in a room, or the room holds links.
            UnavailableError: The disk refuses.
        """
        current = self._current(relative)
        if current is None:
            # No document refers to them yet, so whoever sees it sees it signed.
            self._clear_signatures(relative)
            self._sign(relative, signatures)
            write_below(self.path, relative, data)
            return
        if current.data != data:
            self._archive(current)
            if signatures:
                # Readers find them there between the two steps that follow.
                self._archive(SignedFile(data=data, signatures=signatures))
            # Signatures of the old bytes go before the new bytes come, so that
            # nobody ever sees them side by side.
            self._clear_signatures(relative)
            write_below(self.path, relative, data)
        self._sign(relative, signatures)

    def _clear_signatures(self, relative: str) -> None:
        for party in self._signers(relative):
            remove_below(self.path, places.signature_file(relative, party))

    def _sign(self, relative: str, signatures: Mapping[str, bytes]) -> None:
        for party, armored in signatures.items():
            write_below(self.path, places.signature_file(relative, party), armored)

    def _archive(self, file: SignedFile) -> None:
        place = places.archive_file(Digest.of(file.data))
        write_below(self.path, place, file.data)
        self._sign(place, file.signatures)

    def _current(self, relative: str) -> SignedFile | None:
        data = read_below(self.path, relative, limit=places.limit_of(relative))
        if data is None:
            return None
        found = {
            party: read_below(
                self.path, places.signature_file(relative, party), limit=MAX_SSHSIG_BYTES
            )
            for party in self._signers(relative)
        }
        signatures = {party: armored for party, armored in found.items() if armored is not None}
        return SignedFile(data=data, signatures=signatures)

    def _signed(self, relative: str) -> SignedFile | None:
        file = self._current(relative)
        if file is None:
            return None
        archived = self._current(places.archive_file(Digest.of(file.data)))
        if archived is None or archived.data != file.data:
            return file
        return SignedFile(data=file.data, signatures={**archived.signatures, **file.signatures})

    def _signers(self, relative: str) -> tuple[str, ...]:
        return self._names(places.signature_directory(relative), _SIGNATURE)

    def _names(self, directory: str, form: re.Pattern[str]) -> tuple[str, ...]:
        matches = (form.fullmatch(name) for name in list_below(self.path, directory))
        return tuple(match[1] for match in matches if match)

    def _contract_bundle(self, file: SignedFile, contract: Contract) -> ContractBundle:
        return ContractBundle(
            contract=file,
            parties={
                party.name: self.find(places.party_file(party.name), party.document)
                for party in contract.parties
            },
            datasets=self._datasets(contract),
            policies={
                dataset.lineage: self.find(places.policy_file(dataset.lineage), dataset.policy)
                for dataset in contract.datasets
            },
        )

    def _datasets(self, contract: Contract) -> dict[str, SignedFile]:
        found = {}
        for dataset in contract.datasets:
            file = self._dataset(dataset)
            if file is not None:
                found[dataset.lineage] = file
        return found

    def _dataset(self, dataset: ContractDataset) -> SignedFile | None:
        place = places.dataset_file(dataset.lineage)
        if isinstance(dataset.version, Digest):
            return self.find(place, dataset.version)
        return self._signed(place)

    def _query(self, digest: Digest) -> tuple[str, SignedFile]:
        form = re.compile(f"({NAME})")
        for name in self._names(places.QUERIES, form):
            file = self._signed(places.query_file(name))
            if file is not None and Digest.of(file.data) == digest:
                return name, file
        archived = self.find(places.archive_file(digest), digest)
        query = parse_query(archived.data, what=places.archive_file(digest))
        return query.name, archived

    def _code(self, name: str, query: Query) -> dict[str, bytes]:
        return {
            code.file: self._code_file(places.code_file(name, code.file), code.digest)
            for code in query.code
        }

    def _code_file(self, place: str, digest: Digest) -> bytes:
        data = self.find(place, digest).data
        if len(data) > MAX_CODE_BYTES:
            raise MalformedError(
                f"{place}: found more, agreed at most {MAX_CODE_BYTES} bytes",
                code="format.oversize",
            )
        return data

    def _revocations(self, contract: Contract) -> tuple[SignedFile, ...]:
        names = [
            name
            for name in list_below(self.path, places.REVOCATIONS)
            if (match := _REVOCATION.fullmatch(name)) and match[1] in contract.party_names
        ]
        if len(names) > MAX_REVOCATIONS:
            raise MalformedError(
                f"{places.REVOCATIONS}: found more, agreed at most {MAX_REVOCATIONS} documents",
                code="room.revocations",
                hint="move revocations of contracts that ended into another directory",
            )
        return tuple(self.load(f"{places.REVOCATIONS}/{name}") for name in names)
