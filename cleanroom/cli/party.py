# SPDX-License-Identifier: Apache-2.0
"""Party documents: whose keys they are is for people to compare, out of band."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cleanroom.cli.failure import NoTerminalError
from cleanroom.cli.session import Group, current
from cleanroom.cli.tables import render_table
from cleanroom.kernel.digest import Digest


@click.group(cls=Group, name="party")
def command() -> None:
    """Show, trust and list parties."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
def show(file: Path | None) -> None:
    """Show a party document and its fingerprint; without FILE, one's own."""
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.identity.party import parse_party
    from cleanroom.kernel.files import read_limited
    from cleanroom.kernel.limits import MAX_PARTY_BYTES

    session = current()
    if file is None:
        party = chosen_profile(session).party
    else:
        data = read_limited(file, what=file.name, limit=MAX_PARTY_BYTES)
        party = parse_party(data, what=file.name)
    value = {
        "name": party.name,
        "title": party.title,
        "fingerprint": str(party.digest),
        "signing_keys": [key.line() for key in party.signing_keys],
        "broker_address": party.broker_address,
    }
    session.emit(value, f"{party.raw.decode()}\nfingerprint {party.digest}")


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--fingerprint", metavar="sha256:…", help="What the party itself told you.")
@click.option("--replace", is_flag=True, help="Exchange the document that is pinned now.")
def trust(file: Path, fingerprint: str | None, *, replace: bool) -> None:
    """Pin a party document after comparing its fingerprint with the party.

    Ask the party over a channel that nobody else controls: by telephone, or in
    person. The room itself proves nothing about whose keys it holds.
    """
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.identity.party import parse_party
    from cleanroom.identity.pins import Replace
    from cleanroom.kernel.files import read_limited
    from cleanroom.kernel.limits import MAX_PARTY_BYTES

    session = current()
    if fingerprint is None:
        # Nobody is asked on the telephone for the fingerprint of a file that is none.
        parse_party(read_limited(file, what=file.name, limit=MAX_PARTY_BYTES), what=file.name)
    confirmed = Digest.parse(fingerprint or _ask_fingerprint(file), what="fingerprint")
    party = line.trust_party(
        chosen_profile(session),
        file,
        confirmed=confirmed,
        replace=Replace.YES if replace else Replace.NO,
    )
    value = {"party": party.name, "fingerprint": str(party.digest)}
    session.emit(value, f"trusted {party.name} {party.digest}")


@command.command("list")
def list_parties() -> None:
    """List the parties whose documents are pinned."""
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.identity.pins import load_pins

    session = current()
    pinned = load_pins(chosen_profile(session).pins_directory).documents
    rows = [[name, party.title, str(party.digest)] for name, party in pinned.items()]
    names = ("party", "title", "fingerprint")
    value = {"parties": [dict(zip(names, row, strict=True)) for row in rows]}
    session.emit(value, render_table(session, names, rows))


def _ask_fingerprint(file: Path) -> str:
    if not sys.stdin.isatty():
        raise NoTerminalError(
            "fingerprint", hint=f"cleanroom party trust {file} --fingerprint sha256:…"
        )
    # The document's own fingerprint is not shown here: whoever sees it beside the
    # question types it off, and has compared nothing.
    answer: str = click.prompt(f"Fingerprint that the party of {file.name} told you", err=True)
    return answer.strip()
