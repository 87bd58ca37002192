# SPDX-License-Identifier: Apache-2.0
"""Is what lies in the room what the parties signed? Asked before a run asks it.

The functions are those that a run goes through, so a finding here is what would stop
it. A room holds the documents of everybody; each of them answers for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cleanroom.cli.findings import Finding, State, Surroundings
from cleanroom.errors import CleanroomError, RefusedError

if TYPE_CHECKING:
    from cleanroom.contract.agreement import Agreement
    from cleanroom.contract.contract import Contract
    from cleanroom.identity.profile import Profile

COPY = "have its owner publish it in the room again, or copy it from the owner"


def contracts(surroundings: Surroundings) -> Iterator[Finding]:
    """Verify the contract and every document that it names, as each profile trusts."""
    if _contract(surroundings) is None:
        return
    for profile in _profiles(surroundings):
        link = f"contract for {profile.name}"
        try:
            _agreement(surroundings, profile)
        except CleanroomError as error:
            yield _broken(link, error)
        else:
            yield Finding(link=link, state=State.HOLDS, found="signed by all, and verified")


def data(surroundings: Surroundings) -> Iterator[Finding]:
    """Verify each dataset's document, and compare its parts with it."""
    from cleanroom.cli.datasets import check_parts, check_policy, read_dataset

    contract = _contract(surroundings)
    # The parts are large and everybody's: they are read once, whoever asks.
    for profile in _profiles(surroundings)[:1]:
        for lineage in sorted(contract.lineages if contract else ()):
            link = f"data {lineage}"
            try:
                dataset = read_dataset(profile, surroundings.room, lineage)
                check_policy(profile, dataset, surroundings.room)
                check_parts(dataset, surroundings.room)
            except CleanroomError as error:
                yield _broken(link, error)
            else:
                yield Finding(link=link, state=State.HOLDS, found="every part is as signed")


def queries(surroundings: Surroundings) -> Iterator[Finding]:
    """Verify each query with its code and decisions, and ask whether it may run."""
    for profile in _profiles(surroundings):
        try:
            agreement = _agreement(surroundings, profile)
        except CleanroomError:
            continue  # The check of the contract names it.
        for path in sorted(surroundings.room.glob("queries/*/query.toml")):
            yield _query(surroundings, path.parent.name, agreement)
        return


def owners_brokers(surroundings: Surroundings) -> dict[str, str]:
    """Return the address of each owner's broker that a profile pinned; a new party's own, too."""
    from cleanroom.identity.pins import load_pins

    contract = _contract(surroundings)
    addresses: dict[str, str] = {}
    for profile in _profiles(surroundings):
        pinned = load_pins(profile.pins_directory).documents
        owners = contract.owners if contract else ()
        addresses |= {name: pinned[name].broker_address for name in owners if name in pinned}
        if contract is None or profile.name in owners:
            addresses[profile.name] = profile.party.broker_address
    return addresses


def _query(surroundings: Surroundings, name: str, agreement: Agreement) -> Finding:
    from cleanroom.contract.layout import RoomDirectory
    from cleanroom.contract.proposed_query import read_query
    from cleanroom.contract.quorum import require_quorum
    from cleanroom.contract.run_documents import read_approvals

    room, link = RoomDirectory(path=surroundings.room), f"query {name}"
    try:
        query = read_query(room, name, agreement=agreement)
        approvals = read_approvals(agreement, room.load_approvals(name, agreement.contract))
    except CleanroomError as error:
        return _broken(link, error)
    try:
        require_quorum(approvals, contract=agreement.contract, query=query, at=surroundings.now)
    except RefusedError as refused:
        # Nothing is broken: somebody has not decided yet, or has decided against it.
        return Finding(link=link, state=State.WARNING, found=refused.message, fix=refused.hint)
    return Finding(link=link, state=State.HOLDS, found="genuine, and approved by all who must")


def _contract(surroundings: Surroundings) -> Contract | None:
    # Unverified: it only says what to look at. The check of the room names what is wrong.
    from cleanroom.contract import places
    from cleanroom.contract.contract import parse_contract
    from cleanroom.contract.layout import RoomDirectory

    try:
        return parse_contract(RoomDirectory(path=surroundings.room).load(places.CONTRACT).data)
    except CleanroomError:
        return None


def _agreement(surroundings: Surroundings, profile: Profile) -> Agreement:
    from cleanroom.identity.pins import load_pins
    from cleanroom.room import verify_contract

    return verify_contract(surroundings.room, load_pins(profile.pins_directory))


def _profiles(surroundings: Surroundings) -> list[Profile]:
    from cleanroom.identity.homes import list_profiles
    from cleanroom.identity.profile import load_profile

    names = list_profiles(surroundings.config)
    chosen = [name for name in names if surroundings.profile in ("", name)]
    return [load_profile(surroundings.config, name) for name in chosen]


def _broken(link: str, error: CleanroomError) -> Finding:
    return Finding(link=link, state=State.BROKEN, found=error.message, fix=error.hint or COPY)
