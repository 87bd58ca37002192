# SPDX-License-Identifier: Apache-2.0
"""Queries: explained before they are submitted, approved before they run."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import chosen_digest, digest_option, reason_option, room_option
from cleanroom.cli.passphrase import PassphraseSource, passphrase_options
from cleanroom.cli.proposing import ProposalOptions, proposal_options
from cleanroom.cli.session import Group, current

_path = click.Path(path_type=Path)


@click.group(cls=Group, name="query")
def command() -> None:
    """Explain, submit, approve and list queries."""


@command.command()
@click.argument("file", type=_path)
@proposal_options
@room_option
def explain(file: Path, options: ProposalOptions, room: Path) -> None:
    """Say whether the policies admit FILE (.sql, or .py), and what would come out of it.

    A refusal names the rule, the place, the fix and the smallest grant that would
    admit the query. It depends on no data and costs nothing.
    """
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.cli.proposing import read_proposal
    from cleanroom.identity.pins import load_pins
    from cleanroom.runner.proposal import explain_proposal

    session = current()
    agreement = line.verify_contract(room, load_pins(chosen_profile(session).pins_directory))
    explanation = explain_proposal(agreement, read_proposal(file, options))
    session.emit(explanation.data, explanation.text)


@command.command("run")
@click.argument("file", type=_path)
@click.option("--mock", is_flag=True, help="On invented rows; there is no other way yet.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another one, other rows.")
@click.option(
    "--units",
    type=click.IntRange(0, 100_000),
    default=400,
    show_default=True,
    help="How many people or firms to invent.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=A,B,…",
    help="A column of the invented rows and the values that it usually takes.",
)
@proposal_options
@room_option
def run_file(
    file: Path,
    options: ProposalOptions,
    room: Path,
    columns: tuple[str, ...],
    *,
    mock: bool,
    seed: int,
    units: int,
) -> None:
    """Run FILE on the room's mock data, through the same gates, and print the result.

    Offline and before anybody approves: no key, broker or runner takes part, and no budget is
    touched. Every parameter needs the one value to run with. On real data: cleanroom run.
    """
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.cli.mock_runs import print_mock_run, require_mock
    from cleanroom.cli.proposing import read_proposal
    from cleanroom.identity.pins import load_pins

    require_mock(mock=mock)
    session = current()
    agreement = line.verify_contract(room, load_pins(chosen_profile(session).pins_directory))
    proposal = read_proposal(file, options)
    print_mock_run(session, agreement, proposal, seed=seed, units=units, columns=columns)


@command.command()
@click.argument("file", type=_path)
@proposal_options
@room_option
@passphrase_options
def submit(file: Path, options: ProposalOptions, room: Path, source: PassphraseSource) -> None:
    """Explain FILE, then sign and publish it; an owner approves it by the same act."""
    from cleanroom.cli.submitting import submit_file

    submit_file(current(), file, options, room, source=source)


@command.command()
@click.argument("query")
@click.option("--reject", is_flag=True, help="Refuse it instead; every broker is told.")
@reason_option
@digest_option
@room_option
@passphrase_options
def approve(
    query: str,
    reason: str,
    room: Path,
    source: PassphraseSource,
    *,
    digest: str | None,
    reject: bool,
) -> None:
    """Approve QUERY under the room's contract, or reject it."""
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile, unlock_signer
    from cleanroom.cli.deliveries import report
    from cleanroom.contract.approval import Decision
    from cleanroom.contract.places import query_file

    session = current()
    profile = chosen_profile(session)
    read = chosen_digest(digest, room, query_file(query))
    approval, deliveries = line.approve_query(
        profile,
        unlock_signer(profile, source),
        room=room,
        query=query,
        digest=read,
        decision=Decision.REJECT if reject else Decision.APPROVE,
        reason=reason or ("rejected" if reject else "read and approved"),
    )
    value = {"query": query, "decision": approval.decision.value, "digest": str(read)}
    text = f"{query} {approval.decision.value} {profile.name} {read}"
    report(session, value, deliveries, text=text)


@command.command("list")
@room_option
def list_queries(room: Path) -> None:
    """List the room's queries and who has approved or rejected them."""
    from cleanroom.cli.listing import QUERY_COLUMNS, list_queries
    from cleanroom.cli.tables import render_table
    from cleanroom.kernel.clock import system_clock

    session = current()
    rows = list_queries(room, at=system_clock())
    value = {"queries": [dict(zip(QUERY_COLUMNS, row, strict=True)) for row in rows]}
    session.emit(value, render_table(session, QUERY_COLUMNS, rows))


@command.command()
@click.argument("query")
@room_option
def show(query: str, room: Path) -> None:
    """Show a query's document and code, byte for byte as its author signed them.

    On a terminal, characters that would move its cursor or reorder text are shown as escapes.
    """
    from cleanroom.cli.listing import read_query
    from cleanroom.kernel.plain_text import escaped

    session = current()
    document, code = read_query(room, query)
    session.emit({"document": document, "code": code}, escaped(f"{document}\n{code}"))
