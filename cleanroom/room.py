# SPDX-License-Identifier: Apache-2.0
"""The straight line on one page: from two organisations to a verified result.

    agree -> seal -> sign -> attest -> release keys -> run -> gate -> receipt -> verify

Each function is one thing that one party does; the command line and the SDK call
these and nothing else. What a party decides is signed with its own key and put
into the room. Whoever acts later verifies every signature again, so a step cannot
be left out or moved: a missing one is a refusal.

The middle of the line (attest, release keys, run, gate, receipt) happens inside
the runner, in :mod:`cleanroom.runner.execute`, and in every owner's key broker,
in :mod:`cleanroom.keybroker.decision`; neither sees what the other protects.
"""

from __future__ import annotations

import datetime as dt
import importlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.contract import places
from cleanroom.contract.agreement import Agreement, Trust, agree
from cleanroom.contract.approval import Approval, ApprovalTerms, Decision, parse_approval
from cleanroom.contract.broker_requests import (
    ContractNotice,
    Notice,
    RejectionNotice,
    RevocationNotice,
)
from cleanroom.contract.contract import Contract
from cleanroom.contract.deciding import next_sequence
from cleanroom.contract.document_render import render_approval, render_query, render_revocation
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.proposed_query import read_query
from cleanroom.contract.query import ParameterValue, Query, parse_query, typed_values
from cleanroom.contract.revocation import RevocationTerms, parse_revocation
from cleanroom.contract.run_request import RunTerms
from cleanroom.contract.signable import require_signable, sign_signable
from cleanroom.contract.signed_run import publish_run
from cleanroom.contract.signing import SigningParty, publish_signed, sign_document
from cleanroom.envelope.sshsig import sign
from cleanroom.errors import IntegrityError
from cleanroom.identity.authorities import load_authorities
from cleanroom.identity.new_profile import SigningChoice
from cleanroom.identity.new_profile import create_profile as create_party_profile
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.identity.pins import Replace, load_pins, pin
from cleanroom.identity.profile import Profile, Unlocked, UnlockedSeeds
from cleanroom.identity.ssh_key import Signer
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_PARTY_BYTES, MAX_POLICY_BYTES, MAX_RECEIPT_BYTES

if TYPE_CHECKING:
    from cleanroom.contract.dataset import Dataset
    from cleanroom.disclosure.result import ResultTable
    from cleanroom.receipt.steps import Report
    from cleanroom.receipt.verify import VerifiedReceipt
    from cleanroom.runner.launch import WaitingRunner
    from cleanroom.runner.notices import Delivery
    from cleanroom.runner.proposed import Proposed
    from cleanroom.runner.reach import Reach
    from cleanroom.vault.new_version import Arrangement
    from cleanroom.vault.seal import Progress

APPROVAL_LIFE = dt.timedelta(days=90)
RUN_REQUEST_LIFE = dt.timedelta(hours=1)
Stage = Callable[[str], None]


def create_party(
    config: Path,
    *,
    name: str,
    title: str,
    passphrase: bytes,
    broker_address: str,
    signing: SigningChoice,
) -> Profile:
    """Agree, first half: make a party's keys, its self-signed document and its broker's home."""
    return create_party_profile(
        config,
        name=name,
        title=title,
        broker_address=broker_address,
        passphrase=passphrase,
        signing=signing,
        sign=sign,
    )


def publish_party(profile: Profile, room: Path) -> None:
    """Put a party's own document into a room, for the others to compare and to pin."""
    room.mkdir(parents=True, exist_ok=True)
    place = places.party_file(profile.name)
    signatures = {profile.name: profile.party_signature}
    RoomDirectory(path=room).publish(place, profile.party.raw, signatures)


def trust_party(
    profile: Profile, document: Path, *, confirmed: Digest, replace: Replace = Replace.NO
) -> PartyDocument:
    """Agree, second half: pin another party's document after comparing its fingerprint.

    Raises:
        IntegrityError: The fingerprint is another document's.
        RefusedError: Another document of that party is pinned already.
    """
    data = read_limited(document, what=document.name, limit=MAX_PARTY_BYTES)
    party = parse_party(data, what=document.name)
    pin(profile.pins_directory, party, confirmed=confirmed, replace=replace)
    return party


def seal(
    profile: Profile,
    unlocked: Unlocked,
    *,
    source: Path,
    policy: Path,
    room: Path,
    normalisation: Mapping[str, str],
    progress: Progress,
    types: Mapping[str, str] = MappingProxyType({}),
    arrangement: Arrangement | None = None,
) -> Dataset:
    """Seal a table at home; publish its sealed parts, its policy and its signed document.

    The data key is made here and sealed to the owner's own receiving key. Only the
    owner's broker can hand it out, and only to a runner that the contract accepts.

    Raises:
        RefusedError: The policy is another party's.
        MalformedError: The table does not fit the policy.
        UnavailableError: The disk is full; no version was published.
    """
    from cleanroom.vault import new_version  # noqa: PLC0415 - slow

    return new_version.seal_version(
        source,
        policy=read_limited(policy, what=policy.name, limit=MAX_POLICY_BYTES),
        room=RoomDirectory(path=room),
        owner=new_version.VersionOwner(
            party=_signing(profile, unlocked.signer),
            receiving=unlocked.receiving,
            broker_home=profile.broker_home,
        ),
        normalisation=normalisation,
        types=types,
        progress=progress,
        arrangement=arrangement or new_version.AS_IT_IS,
    )


def sign_contract(profile: Profile, signer: Signer, room: Path, *, digest: Digest) -> Contract:
    """Sign the contract that this party read, after checking whom and what it names.

    Raises:
        IntegrityError: The room holds other bytes than those that were read.
        IdentityUnprovenError: It names a party that this one has not pinned.
        RefusedError: It does not name this party, or binds its data to another policy.
    """
    directory = RoomDirectory(path=room)
    bundle = directory.load_contract_bundle()
    pins = load_pins(profile.pins_directory)
    contract = require_signable(bundle, party=profile.name, pins=pins)
    digest.require(contract.digest, what=places.CONTRACT)
    signed = sign_signable(bundle, party=_signing(profile, signer), pins=pins)
    directory.publish(places.CONTRACT, signed.data, signed.signatures)
    return contract


def verify_contract(room: Path, trust: Trust) -> Agreement:
    """Verify the room's contract and every document that it names."""
    return agree(RoomDirectory(path=room).load_contract_bundle(), trust=trust)


def announce_contract(profile: Profile, signer: Signer, room: Path) -> tuple[Delivery, ...]:
    """Tell every owner's broker of a fully signed contract, so that its predecessor ends."""
    bundle = RoomDirectory(path=room).load_contract_bundle()
    agreement = agree(bundle, trust=load_pins(profile.pins_directory))
    reach = _reach(profile, signer, agreement, at=system_clock())
    return _notify_owners(agreement, ContractNotice(bundle=bundle), reach=reach)


def submit_query(profile: Profile, signer: Signer, *, room: Path, proposal: Proposed) -> Query:
    """Admit a query against every policy, then sign and publish what admission found.

    Raises:
        AdmissionRefusedError: The policies do not admit it; says why, where and what would.
    """
    from cleanroom.runner.proposal import query_terms  # noqa: PLC0415 - imports the engine

    directory, party = RoomDirectory(path=room), _signing(profile, signer)
    agreement = verify_contract(room, load_pins(profile.pins_directory))
    terms = query_terms(agreement, proposal, author=profile.name)
    # Read before it is signed: a document that nobody can read would stop every later run.
    query = parse_query(render_query(terms))
    # Signed before anything is published: who signs may have given a wrong passphrase.
    signed = sign_document(query.raw, kind="query", party=party)
    directory.publish(places.code_file(query.name, query.code[0].file), proposal.code, {})
    directory.publish(places.query_file(query.name), signed.data, signed.signatures)
    return query


def approve_query(
    profile: Profile,
    signer: Signer,
    *,
    room: Path,
    query: str,
    digest: Digest,
    decision: Decision,
    reason: str,
    clock: Clock = system_clock,
) -> tuple[Approval, tuple[Delivery, ...]]:
    """Approve or reject the query that this party read, under the room's contract.

    A rejection also goes to every owner's broker directly: a room that hides it
    changes nothing.

    Raises:
        IntegrityError: The room holds another query, or another one's code.
    """
    directory, party = RoomDirectory(path=room), _signing(profile, signer)
    agreement = verify_contract(room, load_pins(profile.pins_directory))
    proposed = read_query(directory, query, agreement=agreement)
    digest.require(proposed.digest, what=places.query_file(query))
    place, now = places.approval_file(query, profile.name), clock()
    terms = ApprovalTerms(
        approver=profile.name,
        contract=agreement.contract.digest,
        query=proposed.digest,
        decision=decision,
        reason=reason,
        sequence=next_sequence(directory, query, party=profile.party, at=now),
        expires=now + APPROVAL_LIFE,
    )
    approval = parse_approval(render_approval(terms))
    signed = publish_signed(directory, place, approval.raw, kind="approval", party=party)
    if decision is Decision.APPROVE:
        return approval, ()
    reach = _reach(profile, signer, agreement, at=now)
    return approval, _notify_owners(agreement, RejectionNotice(document=signed), reach=reach)


def revoke(
    profile: Profile, signer: Signer, *, room: Path, terms: RevocationTerms
) -> tuple[Delivery, ...]:
    """Withdraw a contract, dataset, query, key or approval, and tell every owner's broker."""
    revocation = parse_revocation(render_revocation(terms))
    place = places.revocation_file(profile.name, revocation.digest)
    directory, party = RoomDirectory(path=room), _signing(profile, signer)
    signed = publish_signed(directory, place, revocation.raw, kind="revocation", party=party)
    agreement = verify_contract(room, load_pins(profile.pins_directory))
    reach = _reach(profile, signer, agreement, at=system_clock())
    return _notify_owners(agreement, RevocationNotice(document=signed), reach=reach)


def run_query(
    profile: Profile,
    signer: Signer,
    *,
    room: Path,
    query: str,
    parameters: Mapping[str, ParameterValue],
    receivers: Sequence[str],
    progress: Stage,
    runner: WaitingRunner | None = None,
    clock: Clock = system_clock,
) -> VerifiedReceipt:
    """Sign a request that brokers would accept, start a runner, and verify its receipt.

    Args:
        profile: The submitter's profile.
        signer: Signs the request.
        room: The room's directory.
        query: Name of an approved query.
        parameters: A value for each of its parameters.
        receivers: Fewer receivers than the query names; empty for all of them.
        progress: Told the run's name, then the name of each stage that begins.
        runner: One that waits already; by default one is started here.
        clock: Says when the request is signed.

    Raises:
        RefusedError: Somebody along the line said no.
        IntegrityError: Something in the room is not what was signed.
    """
    from cleanroom.runner.launch import waiting_runner  # noqa: PLC0415 - not needed by other steps

    directory, now = RoomDirectory(path=room), clock()
    pins, party = load_pins(profile.pins_directory), _signing(profile, signer)
    agreement = verify_contract(room, pins)
    proposed = read_query(directory, query, agreement=agreement)
    terms = RunTerms(
        run=f"{now:%Y%m%dt%H%M%S}-{secrets.token_hex(4)}",
        contract=agreement.contract.digest,
        query=proposed.digest,
        submitter=profile.name,
        receivers=frozenset(receivers) or proposed.receivers,
        parameters=typed_values(proposed, parameters),
        expires=now + RUN_REQUEST_LIFE,
    )
    request = publish_run(directory, terms, agreement=agreement, party=party, at=now)
    progress(f"run {terms.run}")
    reach = _reach(profile, signer, agreement, at=now)
    with nullcontext(runner) if runner else waiting_runner() as ready:
        receipt = ready.run(room, terms.run, stage=progress, reach=reach, meanwhile=_load_verifier)
    progress("verify")
    verified = verify(room / places.receipt_file(terms.run), trust=pins)
    # The receipt of another run is as genuine as this one's; only this one answers (T-15).
    receipt.require(verified.digest, what="receipt.json")
    request.digest.require(verified.body.run_request, what="receipt.json: run request")
    return verified


def open_result(
    profile: Profile, unlocked: UnlockedSeeds, verified: VerifiedReceipt, *, room: Path
) -> ResultTable:
    """Open the result of a verified receipt as one of its receivers.

    Raises:
        RefusedError: It is not sealed to this party.
        ResourcesExceededError: The run needed more than its query or contract allows.
        DisclosureRefusedError: The gate let nothing out; says which rule.
    """
    from cleanroom.runner.outcome import read_result  # noqa: PLC0415 - not needed by other steps

    place = places.result_file(verified.body.run)
    sealed = RoomDirectory(path=room).find(place, verified.body.result.digest).data
    return read_result(sealed, verified.body, party=profile.name, receiving=unlocked.receiving)


def verify(receipt: Path, *, trust: Trust, report: Report | None = None) -> VerifiedReceipt:
    """Verify a receipt offline with the room around it and what the reader trusts.

    Raises:
        IdentityUnprovenError: Nobody said whose keys these are.
        IntegrityError: Something is not what was signed, or it is another run's receipt.
        RefusedError: Everything is genuine, and not what was agreed.
        UnavailableError: The room lacks a document that the receipt names.
    """
    from cleanroom.receipt.steps import unheard  # noqa: PLC0415 - not needed by other steps
    from cleanroom.receipt.verify import verify_receipt  # noqa: PLC0415 - likewise

    data = read_limited(receipt, what=receipt.name, limit=MAX_RECEIPT_BYTES)
    place = receipt.resolve().parent
    verified = verify_receipt(
        data,
        room=RoomDirectory(path=place.parents[1]),
        trust=trust,
        report=report or unheard,
    )
    # A genuine receipt put in the place of another would answer a question nobody asked.
    if verified.body.run != place.name:
        raise IntegrityError(
            f"receipt.json: of run {verified.body.run}, found in the place of {place.name}",
            code="receipt.place",
            hint="a receipt lies in the directory named after its run",
        )
    return verified


def _load_verifier() -> None:
    # It takes as long to load as the runner takes to attest.
    importlib.import_module("cleanroom.receipt.verify")
    importlib.import_module("cleanroom.runner.outcome")


def _signing(profile: Profile, signer: Signer) -> SigningParty:
    return SigningParty(document=profile.party, signer=signer)


def _reach(profile: Profile, signer: Signer, agreement: Agreement, *, at: dt.datetime) -> Reach:
    """Make what reaching the owners' brokers needs: nothing, if all are on this machine."""
    from cleanroom.contract.introduction import introduce  # noqa: PLC0415 - not needed elsewhere
    from cleanroom.runner.reach import ON_THIS_MACHINE, Reach  # noqa: PLC0415 - likewise

    addresses = (agreement.parties[owner].broker_address for owner in agreement.contract.owners)
    if all(address.startswith("unix:") for address in addresses):
        return ON_THIS_MACHINE
    caller = introduce(_signing(profile, signer), key=Ed25519PrivateKey.generate(), at=at)
    return Reach(caller=caller, authorities=load_authorities(profile.directory.parent))


def _notify_owners(agreement: Agreement, notice: Notice, *, reach: Reach) -> tuple[Delivery, ...]:
    from cleanroom.runner.notices import deliver  # noqa: PLC0415 - loads an HTTP client

    owners = {owner: agreement.parties[owner] for owner in agreement.contract.owners}
    return deliver(notice, owners, reach=reach)
