# SPDX-License-Identifier: Apache-2.0
"""Are the documents of one run genuine? Whether they allow it is asked elsewhere.

Each document is read, and verified against the party document that everybody
agreed on, never against one that came with the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approval import Approval, parse_approval
from cleanroom.contract.bundle import RunBundle
from cleanroom.contract.query import Query, parse_query
from cleanroom.contract.revocation import Revocation, parse_revocation
from cleanroom.contract.run_request import RunRequest, parse_run_request
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_APPROVAL_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_toml import parse_toml

APPROVAL_FORMAT = "cleanroom.approval.v0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDocuments:
    """The documents of one run, each one signed by the party that it names.

    Attributes:
        request: The run request.
        query: The query document.
        approvals: Approvals and rejections, stale ones included.
        revocations: Revocations by parties of the contract.
        signed_with: By party, the keys behind all its signatures, the contract's included.
    """

    request: RunRequest
    query: Query
    approvals: tuple[Approval, ...]
    revocations: tuple[Revocation, ...]
    signed_with: Mapping[str, frozenset[bytes]]


def read_run_documents(
    agreement: Agreement, bundle: RunBundle, *, withdrawn: Iterable[SignedFile]
) -> RunDocuments:
    """Read and verify every document of a run.

    Args:
        agreement: What the parties agreed, and their documents.
        bundle: The documents as they came.
        withdrawn: Revocations, approvals and rejections that the caller knows
            itself; those of other contracts' parties are left aside.

    Raises:
        MalformedError: A document is not what it claims to be.
        IntegrityError: A document, signature or code file is not the one named.
        RefusedError: A document is unsigned, or of somebody who is no party.
    """
    reader = _Reader(agreement)
    request = reader.request(bundle.run)
    query = reader.query(bundle.query, agreed=request.query)
    _require_code(query, bundle.code)
    shown = reader.approvals(bundle.approvals)
    revoked = [
        reader.revocation(file, what=f"revocation {number}")
        for number, file in enumerate(bundle.revocations, start=1)
    ]
    known_approvals, known_revocations = reader.known(withdrawn)
    return RunDocuments(
        request=request,
        query=query,
        approvals=(*shown, *known_approvals),
        revocations=(*revoked, *known_revocations),
        signed_with={name: frozenset(used) for name, used in reader.keys.items()},
    )


def read_approvals(agreement: Agreement, files: Mapping[str, SignedFile]) -> tuple[Approval, ...]:
    """Read and verify decisions about a query, by approver, as a run would.

    Raises:
        MalformedError: A document is no approval.
        IntegrityError: It lies under another party's name, or its signature is not that party's.
        RefusedError: It is unsigned, or of somebody who is no party.
    """
    return _Reader(agreement).approvals(files)


class _Reader:
    """Read documents one by one and remember which keys signed them."""

    def __init__(self, agreement: Agreement) -> None:
        self._parties = agreement.parties
        self.keys = {name: set(used) for name, used in agreement.signed_with.items()}

    def request(self, file: SignedFile) -> RunRequest:
        request = parse_run_request(file.data, what="run.toml")
        self._verify(file, kind="run", signer=request.submitter, what="run.toml")
        return request

    def query(self, file: SignedFile, *, agreed: Digest) -> Query:
        agreed.require(Digest.of(file.data), what="query.toml")
        query = parse_query(file.data, what="query.toml")
        self._verify(file, kind="query", signer=query.author, what="query.toml")
        return query

    def approvals(self, files: Mapping[str, SignedFile]) -> tuple[Approval, ...]:
        return tuple(
            self.approval(file, what=f"approvals/{name}.toml", approver=name)
            for name, file in sorted(files.items())
        )

    def approval(self, file: SignedFile, *, what: str, approver: str) -> Approval:
        approval = parse_approval(file.data, what=what)
        if approval.approver != approver:
            raise IntegrityError(
                f"{what}: approver: found {approval.approver!r}, agreed {approver!r}",
                code="approval.name",
                hint="an approval lies under the name of the party that signed it",
            )
        self._verify(file, kind="approval", signer=approver, what=what)
        return approval

    def revocation(self, file: SignedFile, *, what: str) -> Revocation:
        revocation = parse_revocation(file.data, what=what)
        self._verify(file, kind="revocation", signer=revocation.party, what=what)
        return revocation

    def known(self, files: Iterable[SignedFile]) -> tuple[list[Approval], list[Revocation]]:
        # A broker serves several contracts; who is no party here takes nothing back.
        approvals: list[Approval] = []
        revocations: list[Revocation] = []
        for number, file in enumerate(files, start=1):
            what = f"known withdrawal {number}"
            document = parse_toml(file.data, what=what, limit=MAX_APPROVAL_BYTES)
            if document.get("format") == APPROVAL_FORMAT:
                approver = parse_approval(file.data, what=what).approver
                if approver in self._parties:
                    approvals.append(self.approval(file, what=what, approver=approver))
            elif parse_revocation(file.data, what=what).party in self._parties:
                revocations.append(self._known_revocation(file, what=what))
        return approvals, revocations

    def _known_revocation(self, file: SignedFile, *, what: str) -> Revocation:
        try:
            return self.revocation(file, what=what)
        except IntegrityError as error:
            if error.code != "signature.foreign-key":
                raise
        # The party has other keys by now. Whoever knows this verified it with the keys of
        # its time, and what was taken back stays so: a change of keys must neither undo
        # a revocation nor stop every run of the party.
        return parse_revocation(file.data, what=what)

    def _verify(self, file: SignedFile, *, kind: str, signer: str, what: str) -> None:
        party = self._party(signer, what=what)
        key = verify_file(file, kind=kind, signer=party, what=what)
        for other in sorted(file.signatures.keys() - {signer}):
            raise RefusedError(
                f"{what}: found a signature of {other}, agreed only one of {signer}",
                code="signature.stranger",
                hint=f"remove {what}.sig/{other}.sig",
            )
        self.keys.setdefault(signer, set()).add(key.blob)

    def _party(self, name: str, *, what: str) -> PartyDocument:
        party = self._parties.get(name)
        if party is None:
            raise RefusedError(
                f"{what}: found {name!r} as its signer, agreed one of "
                f"{', '.join(sorted(self._parties))}",
                code="agreement.no-party",
                hint="only parties of the contract sign documents under it",
            )
        return party


def _require_code(query: Query, code: Mapping[str, bytes]) -> None:
    names = {file.file for file in query.code}
    if code.keys() != names:
        raise IntegrityError(
            f"query.toml: code: found {sorted(code)}, agreed {sorted(names)}",
            code="query.code-files",
            hint="the bundle holds exactly the files that the query names",
        )
    for file in query.code:
        file.digest.require(Digest.of(code[file.file]), what=f"code {file.file}")
