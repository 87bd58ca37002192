# SPDX-License-Identifier: Apache-2.0
"""The contract: drafted by one party, read and signed by all."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import chosen_digest, digest_option, room_option
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.session import Group, current
from cleanroom.cli.tables import render_table
from cleanroom.cli.trusting import StatedTrust, chosen_trust, trust_options
from cleanroom.kernel.clock import system_clock

FINDING_COLUMNS = ("severity", "place", "text", "fix")
_path = click.Path(path_type=Path)


@click.group(cls=Group, name="contract")
def command() -> None:
    """Write, check, compare, sign and verify contracts."""


@command.command()
@click.option(
    "--template",
    type=click.Choice(("two-party", "multi-party")),
    required=True,
    help="How many parties it is written for.",
)
@click.option("--name", default="contract", show_default=True, help="Name of the contract.")
@click.option("--purpose", default="", help="What it is for, in one sentence.")
@click.option("--purpose-code", default="", help="The same as a code.")
@click.option("--platform", "platforms", multiple=True, help="Attestation platform to accept.")
@click.option(
    "--attestation",
    type=_path,
    help="Attestation profile to take as it stands, instead of --platform.",
)
@click.option("--receiver", "receivers", multiple=True, help="Party that may receive results.")
@click.option("--submitter", "submitters", multiple=True, help="Party that may start runs.")
@click.option("--operator", "operators", multiple=True, help="Party whose runners take jobs.")
@room_option
def new(
    *,
    template: str,
    name: str,
    purpose: str,
    purpose_code: str,
    platforms: tuple[str, ...],
    attestation: Path | None,
    receivers: tuple[str, ...],
    submitters: tuple[str, ...],
    operators: tuple[str, ...],
    room: Path,
) -> None:
    """Draft contract.toml from what lies in the room; edit it like any file.

    A contract that is there already is replaced, kept in archive/, and named.
    """
    from cleanroom.cli import contracts
    from cleanroom.cli.drafting import DraftOptions, write_draft

    options = DraftOptions(
        template=template,
        name=name,
        purpose=purpose,
        purpose_code=purpose_code,
        platforms=platforms,
        attestation=contracts.agreed_machines(platforms, attestation),
        receivers=receivers,
        submitters=submitters,
        operators=operators,
    )
    replaced = contracts.find_replaced(room)
    contract = write_draft(room, options, at=system_clock())
    contracts.tell_draft(current(), room, contract, replaced=replaced)


@command.command()
@room_option
@click.pass_context
def lint(ctx: click.Context, room: Path) -> None:
    """Say what the contract would not do, or would do weakly; 3 if nothing could run."""
    from cleanroom.cli.contracts import find_problems

    session = current()
    findings = find_problems(room, at=system_clock())
    rows = [[getattr(finding, name) for name in FINDING_COLUMNS] for finding in findings]
    value = {"findings": [dict(zip(FINDING_COLUMNS, row, strict=True)) for row in rows]}
    session.emit(value, render_table(session, FINDING_COLUMNS, rows) if rows else "no findings")
    ctx.exit(3 if any(finding.severity == "error" for finding in findings) else 0)


@command.command()
@room_option
@click.pass_context
def show(ctx: click.Context, room: Path) -> None:
    """Say in plain words what the contract says, from the very bytes that are signed.

    Ends with 5 if a signature that lies there does not hold.
    """
    from cleanroom.cli.contracts import describe
    from cleanroom.cli.standing import HOLDS
    from cleanroom.cli.trusting import known_pins
    from cleanroom.errors import IntegrityError

    shown = describe(room, known_pins(current()))
    signers = [name for name, found in shown.signatures.items() if found == HOLDS]
    others = {name: found for name, found in shown.signatures.items() if found != HOLDS}
    value = {
        "digest": str(shown.digest),
        "signed_by": signers,
        "signatures": shown.signatures,
        "judged_by": shown.judged_by,
        "text": shown.text,
    }
    told = [shown.text, f"Signed by: {', '.join(signers) or 'nobody'}"]
    told += [f"  {name}: signature {found}" for name, found in others.items()]
    current().emit(value, "\n".join([*told, f"Judged by: {shown.judged_by}"]))
    ctx.exit(0 if shown.is_sound else IntegrityError.exit_code)


@command.command()
@click.argument("before", type=_path)
@click.argument("after", type=_path, required=False)
@room_option
def diff(before: Path, after: Path | None, room: Path) -> None:
    """List the clauses that differ between two contracts; AFTER is the room's if absent."""
    from cleanroom.cli.contracts import read_contract
    from cleanroom.contract.diff import diff_contracts, show_changes

    changes = diff_contracts(read_contract(before), read_contract(after or room / "contract.toml"))
    fields = ("clause", "before", "after")
    value = {"changes": [{name: getattr(item, name) for name in fields} for item in changes]}
    current().emit(value, show_changes(changes).rstrip("\n"))


@command.command()
@digest_option
@room_option
@passphrase_options
def sign(room: Path, source: PassphraseSource, digest: str | None) -> None:
    """Sign the room's contract; read it first with `cleanroom contract show`."""
    from cleanroom import room as line
    from cleanroom.cli import contracts
    from cleanroom.cli.acting import chosen_profile, unlock_signer
    from cleanroom.contract.places import CONTRACT

    session = current()
    profile = chosen_profile(session)
    read = chosen_digest(digest, room, CONTRACT)
    signer = unlock_signer(profile, source)
    contract = line.sign_contract(profile, signer, room, digest=read)
    contracts.tell_signed(session, (profile, signer), room, contract)


@command.command()
@trust_options
@room_option
def verify(stated: StatedTrust, room: Path) -> None:
    """Verify every signature and digest of the contract and its documents."""
    from cleanroom import room as line

    session = current()
    agreed = line.verify_contract(room, chosen_trust(session, stated, room=room)).contract
    value = {"verified": True, "contract": agreed.name, "digest": str(agreed.digest)}
    session.emit(value, f"verified {agreed.name} {agreed.digest}")
