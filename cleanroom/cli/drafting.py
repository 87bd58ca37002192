# SPDX-License-Identifier: Apache-2.0
"""Draft a contract from what lies in a room; people read, change and sign it.

Nothing is chosen that weakens anything: without a platform the draft lists none,
and nobody may receive who is not named by every policy.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.attestation_terms import AttestationProfile
from cleanroom.contract.contract import Contract, Link, SandboxLevel, parse_contract
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.contract_terms import ContractParty
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.draft import DraftDataset, draft_contract
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.policy import Policy, Role, parse_policy
from cleanroom.contract.resources import AS_QUERIED, Resources
from cleanroom.contract.room_files import list_below
from cleanroom.errors import RefusedError
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.runner.attest import measure_this_runner

TWO_PARTY, MULTI_PARTY = "two-party", "multi-party"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftOptions:
    """What the drafter says; the room says the rest.

    Attributes:
        template: How many parties there are to be.
        name: Name of the contract.
        purpose: What it is for; empty keeps the draft's reminder to write one.
        purpose_code: The same as a code; empty likewise.
        platforms: Attestation platforms whose runners get keys.
        attestation: The whole clause, as the parties wrote it; None drafts one for
            the platforms.
        receivers: Who may receive results; empty means all whom every policy names.
        submitters: Who may start a run; empty means the receivers.
        sandbox: Least confinement; the draft's own where nobody chose another.
        operators: Whose runners may take jobs from the room's hub.
        resources: What any run may spend; what its query says where nobody chose less.
    """

    template: str = TWO_PARTY
    name: str
    purpose: str = ""
    purpose_code: str = ""
    platforms: tuple[str, ...] = ()
    attestation: AttestationProfile | None = None
    receivers: tuple[str, ...] = ()
    submitters: tuple[str, ...] = ()
    sandbox: SandboxLevel = SandboxLevel.SELF
    operators: tuple[str, ...] = ()
    resources: Resources = AS_QUERIED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    parties: tuple[PartyDocument, ...]
    datasets: tuple[DraftDataset, ...]
    policies: tuple[Policy, ...]


def write_draft(room: Path, options: DraftOptions, *, at: dt.datetime) -> Contract:
    """Write an unsigned ``contract.toml`` into a room.

    A contract that somebody signed is kept in the archive and named as predecessor.

    Raises:
        RefusedError: The room does not hold what the template needs.
        MalformedError: A document in the room cannot be read, or an option is of another form.
    """
    directory = RoomDirectory(path=room)
    material = _gather(directory, options)
    receivers = options.receivers or tuple(_named_by_all(material))
    terms = draft_contract(
        name=options.name,
        parties=material.parties,
        datasets=material.datasets,
        links=tuple(_links(material.policies)),
        receivers=receivers,
        platforms=options.platforms,
        measurements=(measure_this_runner(),),
        at=at,
    )
    terms = dataclasses.replace(
        terms,
        purpose=options.purpose or terms.purpose,
        purpose_code=options.purpose_code or terms.purpose_code,
        submitters=frozenset(options.submitters or receivers),
        sandbox=options.sandbox,
        resources=options.resources,
        attestation=options.attestation or terms.attestation,
        predecessor=_predecessor(directory),
        parties=_with_operators(terms.parties, options.operators),
    )
    # Read before it is written: an option of another form leaves the agreed contract in force.
    contract = parse_contract(render_contract(terms))
    directory.publish(places.CONTRACT, contract.raw, {})
    return contract


def _with_operators(
    parties: Sequence[ContractParty], operators: Sequence[str]
) -> tuple[ContractParty, ...]:
    unknown = set(operators) - {party.name for party in parties}
    if unknown:
        raise _lacking(f"no party {', '.join(sorted(unknown))}", "cleanroom init NAME --room ROOM")
    return tuple(
        dataclasses.replace(party, roles=party.roles - {"auditor"} | {"operator"})
        if party.name in operators
        else party
        for party in parties
    )


def _gather(directory: RoomDirectory, options: DraftOptions) -> _Material:
    parties = [
        parse_party(directory.load(f"{places.PARTIES}/{name}").data, what=name)
        for name in list_below(directory.path, places.PARTIES)
        if name.endswith(".toml")
    ]
    pair = 2
    if options.template == TWO_PARTY and len(parties) != pair:
        raise _lacking(f"{len(parties)} parties, agreed two", "cleanroom init NAME --room ROOM")
    lineages = sorted(path.parent.name for path in directory.path.glob("datasets/*/dataset.toml"))
    if not lineages:
        raise _lacking("no dataset, agreed at least one", "cleanroom data seal FILE --policy FILE")
    policies = [_policy(directory, lineage) for lineage in lineages]
    datasets = [
        DraftDataset(
            lineage=lineage,
            schema=parse_dataset(directory.load(places.dataset_file(lineage)).data).schema,
            policy=policy.digest,
        )
        for lineage, policy in zip(lineages, policies, strict=True)
    ]
    return _Material(parties=tuple(parties), datasets=tuple(datasets), policies=tuple(policies))


def _policy(directory: RoomDirectory, lineage: str) -> Policy:
    return parse_policy(directory.load(places.policy_file(lineage)).data, what=lineage)


def _lacking(found: str, hint: str) -> RefusedError:
    return RefusedError(f"room: holds {found}", code="draft.room", hint=hint)


def _named_by_all(material: _Material) -> list[str]:
    named = {party.name for party in material.parties}
    for policy in material.policies:
        named &= policy.receivers
    return sorted(named)


def _links(policies: Sequence[Policy]) -> Iterator[Link]:
    # Columns of one name in two owners' data probably hold the same identifiers; both
    # owners' policies must allow the join before a draft says so.
    for left, right in itertools.combinations(policies, 2):
        allowed = right.dataset in left.joins and left.dataset in right.joins
        if left.owner == right.owner or not allowed:
            continue
        for name in sorted(_keys(left) & _keys(right)):
            if left.columns[name].namespace != right.columns[name].namespace:
                yield Link(left=f"{left.dataset}.{name}", right=f"{right.dataset}.{name}")


def _keys(policy: Policy) -> set[str]:
    return {name for name, column in policy.columns.items() if column.role is Role.KEY}


def _predecessor(directory: RoomDirectory) -> Digest | None:
    if not (directory.path / places.CONTRACT).is_file():
        return None
    current = directory.load(places.CONTRACT)
    return Digest.of(current.data) if current.signatures else None
