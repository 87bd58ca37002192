# SPDX-License-Identifier: Apache-2.0
"""What an owner types to get its broker back: copy, restore, allow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.cli.acting import chosen_profile, unlock_signer
from cleanroom.cli.passphrase import PassphraseSource
from cleanroom.cli.session import Session
from cleanroom.contract.broker_allowance import (
    KIND,
    AllowanceTerms,
    LineageAllowance,
    render_allowance,
)
from cleanroom.contract.introduction import Introduction, introduce
from cleanroom.contract.signing import SigningParty, sign_document
from cleanroom.contract.statement_shapes import Commit
from cleanroom.contract.statements import verify_commit
from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.identity.authorities import load_authorities
from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import Profile
from cleanroom.kernel.clock import system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.backup import back_up as copy_home
from cleanroom.keybroker.backup import restore as restore_home
from cleanroom.keybroker.broker import EPOCH_BYTES
from cleanroom.keybroker.memory import require_memory
from cleanroom.keybroker.recovery import contract_owners, follow, recover, take_allowance
from cleanroom.keybroker.state import BrokerState
from cleanroom.ledger.audit import audit_log
from cleanroom.ledger.checkpoint import log_origin
from cleanroom.runner.broker_client import BrokerClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What an owner says is left; whatever is absent has nothing."""

    runs: Mapping[Digest, int]
    releases: Mapping[str, int]


def read_left(runs: Iterable[str], releases: Iterable[str]) -> Left:
    """Read ``NAME=N`` options.

    Raises:
        click.UsageError: Of another form, or twice.
    """
    contracts = {
        Digest.parse(name, what="--runs"): left for name, left in _pairs(runs, "--runs").items()
    }
    return Left(runs=contracts, releases=_pairs(releases, "--releases"))


def back_up(session: Session, target: Path) -> None:
    """Copy the home of the acting party's broker."""
    profile = chosen_profile(session)
    copy_home(profile.broker_home, target)
    session.emit({"party": profile.name, "backup": str(target)}, str(target))


def restore(session: Session, copy: Path, log: Path | None) -> None:
    """Put a copy back as a new life of the broker."""
    profile = chosen_profile(session)
    leaves: tuple[bytes, ...] = ()
    if log is not None:
        origin = log_origin(profile.name)
        leaves = audit_log(log, origin=origin, public_key=profile.party.broker_key).entries
    epoch = os.urandom(EPOCH_BYTES).hex()
    restore_home(
        copy,
        profile.broker_home,
        party=profile.name,
        leaves=leaves,
        epoch=epoch,
        at=system_clock(),
    )
    session.emit({"party": profile.name, "epoch": epoch}, f"{profile.name} epoch {epoch}")
    session.note("nothing is released before: cleanroom broker allow")


def allow(
    session: Session, source: PassphraseSource, left: Left, *, without: frozenset[str]
) -> None:
    """Recover histories, sign what is left, and take it."""
    profile = chosen_profile(session)
    require_memory(profile.broker_home)
    party = SigningParty(document=profile.party, signer=unlock_signer(profile, source))
    caller = introduce(party, key=Ed25519PrivateKey.generate(), at=system_clock())
    with closing(BrokerState(profile.broker_home)) as state, ExitStack() as stack:
        state.begin(party=profile.name, epoch="", at=system_clock())
        with state.transaction() as opened:
            owners = contract_owners(opened) - {profile.name} - without
        peers = _connect(profile, owners, caller=caller, stack=stack)
        with state.transaction() as opened:
            for lineage in left.releases:
                commits = [commit for peer in peers for commit in peer.commits(lineage)]
                steps = follow(lineage, opened.standing.head(lineage), commits)
                recover(opened, lineage, steps, fetch=lambda digest: _fetch(peers, digest))
            terms = AllowanceTerms(
                party=profile.name,
                epoch=opened.standing.epoch,
                contracts=left.runs,
                lineages={
                    lineage: LineageAllowance(
                        head=opened.standing.head(lineage), releases_left=number
                    )
                    for lineage, number in left.releases.items()
                },
            )
            signed = sign_document(render_allowance(terms), kind=KIND, party=party)
            take_allowance(signed, owner=profile.party, opened=opened)
    heads = {name: str(item.head) for name, item in terms.lineages.items()}
    lines = [f"head {name} {head}" for name, head in sorted(heads.items())]
    value = {"party": profile.name, "epoch": terms.epoch, "heads": heads}
    session.emit(value, "\n".join([f"allowed in epoch {terms.epoch}", *lines]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peer:
    """A counterparty's broker, believed for its signature alone."""

    party: str
    broker_key: bytes
    client: BrokerClient

    def commits(self, lineage: str) -> Iterator[Commit]:
        """Fetch and verify the commits that moved a lineage."""
        for envelope in self.client.commits(lineage):
            yield verify_commit(envelope, party=self.party, broker_key=self.broker_key)


def _connect(
    profile: Profile, owners: Iterable[str], *, caller: Introduction, stack: ExitStack
) -> list[_Peer]:
    pins = load_pins(profile.pins_directory).documents
    for name in sorted(owners):
        if name not in pins:
            raise UnavailableError(
                f"{name}: countersigned for this broker, and is not pinned",
                code="broker.party-unknown",
                hint=f"cleanroom party trust, or --without {name} if its broker is gone for good",
            )
    authorities = load_authorities(profile.directory.parent)
    return [
        _Peer(
            party=name,
            broker_key=pins[name].broker_key,
            client=stack.enter_context(
                BrokerClient(pins[name].broker_address, caller=caller, authorities=authorities)
            ),
        )
        for name in sorted(owners)
    ]


def _fetch(peers: Iterable[_Peer], digest: Digest) -> bytes:
    problem: CleanroomError = UnavailableError(
        "state entry: no counterparty has it", code="broker.entry-lost"
    )
    for peer in peers:
        try:
            return peer.client.entry(digest)
        except CleanroomError as error:
            problem = error
    raise problem


def _pairs(options: Iterable[str], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for option in options:
        subject, equals, number = option.rpartition("=")
        if not equals or not number.isdecimal() or subject in found:
            raise click.UsageError(f"{name} takes NAME=N, each name once")
        found[subject] = int(number)
    return found
