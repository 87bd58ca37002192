# SPDX-License-Identifier: Apache-2.0
"""The acting party's key broker: the only process that ever opens its data keys."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.passphrase import PassphraseSource, opening_options, passphrase_options
from cleanroom.cli.session import Group, current
from cleanroom.cli.watch_options import watch_options

_path = click.Path(path_type=Path)
_KINDS = click.Choice(["contract", "dataset", "all"])


@click.group(cls=Group, name="broker")
def command() -> None:
    """Serve this party's key broker, ask for its status, or stop it from releasing."""


@command.command()
@click.option("--kek", metavar="URI", required=True, help="Key that wraps the broker's keys.")
@opening_options
def init(source: PassphraseSource, *, kek: str) -> None:
    """Keep the broker's keys under a KEK as well, so that it starts without a passphrase.

    URI is file:, pkcs11:, vault:, awskms:, gcpkms: or azurekv:, and names where credentials
    lie, never a secret; docs/broker-keys.md has all forms.
    """
    from cleanroom.cli import wrapping

    wrapping.wrap(current(), source, kek)


@command.command()
@click.option("--kek", metavar="URI", required=True, help="Key that wraps them now.")
@click.option("--to", metavar="URI", required=True, help="Key that shall wrap them.")
def rewrap(kek: str, to: str) -> None:
    """Put the broker's keys under another KEK, or another version of it, in one step."""
    from cleanroom.cli import wrapping

    wrapping.change(current(), kek, to)


@command.command()
@click.argument("url", required=False)
@click.option("--url-file", type=_path, metavar="FILE", help="Where URL and password lie.")
def database(url: str | None, *, url_file: Path | None) -> None:
    """Keep the broker's memory in the PostgreSQL database at URL; without URL, say where it is.

    URL is postgresql://user@host/database, or …@/database?host=/directory for a Unix socket. A
    password stands in FILE or in a passfile, never in the command. Before the first start.
    """
    from cleanroom.cli import choosing_database

    if url is not None and url_file is not None:
        raise click.UsageError("give either URL or --url-file")
    choosing_database.choose(current(), url, url_file)


@command.command()
@click.option("--kek", metavar="URI", help="Key that wraps its keys; no passphrase then.")
@click.option("--stop-with-stdin", is_flag=True, help="End when standard input is closed.")
@click.option("--listen", metavar="HOST:PORT", help="Serve other machines from here.")
@click.option("--certificate", type=_path, metavar="FILE", help="PEM chain of this host.")
@click.option("--certificate-key", type=_path, metavar="FILE", help="PEM key of the certificate.")
@watch_options
@opening_options
def serve(
    source: PassphraseSource,
    *,
    kek: str | None,
    stop_with_stdin: bool,
    listen: str | None,
    certificate: Path | None,
    certificate_key: Path | None,
    metrics: str,
    log: bool,
) -> None:
    """Serve until interrupted, on the address in the party document.

    The owner's own user always reaches the broker over a Unix socket. Other machines
    reach it where --listen says, if the party document publishes an https address.
    """
    from cleanroom.cli import wrapping
    from cleanroom.cli.acting import chosen_profile, unlock_seeds
    from cleanroom.cli.lifeline import end_with_stdin
    from cleanroom.cli.networking import read_network
    from cleanroom.server.profile_broker import serve_profile
    from cleanroom.server.watching import watched

    session = current()
    profile = chosen_profile(session)
    network = read_network(listen, certificate, certificate_key)
    seeds = unlock_seeds(profile, source) if kek is None else wrapping.open_seeds(profile, kek)

    def started(address: str) -> None:
        session.emit({"party": profile.name, "address": address}, f"{profile.name} {address}")

    if stop_with_stdin:
        end_with_stdin()
    options = watched(metrics, log=log)
    serve_profile(profile, seeds, started=started, network=network, options=options)


@command.command()
@click.argument("address", required=False)
def status(address: str | None) -> None:
    """Ask a broker how it is: this party's, or the one at ADDRESS."""
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.identity.authorities import load_authorities
    from cleanroom.kernel.clock import format_time
    from cleanroom.runner.broker_client import BrokerClient

    session = current()
    authorities = load_authorities(session.config)
    where = address or chosen_profile(session).party.broker_address
    with BrokerClient(where, authorities=authorities) as client:
        found = client.status()
    value = {
        "party": found.party,
        "document": str(found.document),
        "epoch": found.epoch,
        "time": format_time(found.time),
        "log_size": found.log_size,
        "heads": {lineage: str(head) for lineage, head in found.heads.items()},
    }
    lines = [f"{name} {text}" for name, text in value.items() if name != "heads"]
    heads = [f"head {lineage} {head}" for lineage, head in sorted(found.heads.items())]
    session.emit(value, "\n".join([*lines, *(str(head) for head in heads)]))


@command.command()
@click.argument("kind", type=_KINDS)
@click.argument("subject", default="")
def stop(kind: str, subject: str) -> None:
    """Release nothing more of a contract (sha256:…), a dataset (owner.table), or of all.

    In force for the very next release and countersignature, and until resumed; needs no
    passphrase, and no broker that runs.
    """
    from cleanroom.cli import controlling

    controlling.stop(current(), kind, subject)


@command.command()
@click.argument("kind", type=_KINDS)
@click.argument("subject", default="")
def resume(kind: str, subject: str) -> None:
    """Take a stop back."""
    from cleanroom.cli import controlling

    controlling.resume(current(), kind, subject)


@command.command()
@click.argument("contract")
@click.option("--per-day", type=click.IntRange(min=0), help="Releases in any 24 hours.")
@click.option("--none", "lifted", is_flag=True, help="Lift the limit.")
def quota(contract: str, *, per_day: int | None, lifted: bool) -> None:
    """Limit the releases under CONTRACT (sha256:…), below what the contract allows."""
    from cleanroom.cli import controlling

    if (per_day is None) != lifted:
        raise click.UsageError("give either --per-day or --none")
    controlling.set_quota(current(), contract, per_day)


@command.command()
def controls() -> None:
    """List what is stopped and limited."""
    from cleanroom.cli import controlling

    controlling.tell(current())


@command.command()
@click.argument("target", type=_path)
def backup(target: Path) -> None:
    """Copy the broker's memory and sealed data keys to the new directory TARGET.

    The broker may be running. A copy cannot give back what is spent after it was made.
    """
    from cleanroom.cli import recovering

    recovering.back_up(current(), target)


@command.command()
@click.argument("copy", type=_path)
@click.option("--log", type=_path, help="The newest copy of the broker's log, as in room/log.")
@click.option("--without-log", is_flag=True, help="Nobody has a copy of the log.")
def restore(copy: Path, *, log: Path | None, without_log: bool) -> None:
    """Begin a new life of the broker from COPY; nothing is released before `broker allow`."""
    from cleanroom.cli import recovering

    if (log is None) != without_log:
        raise click.UsageError("give either --log or --without-log")
    recovering.restore(current(), copy, log)


@command.command()
@click.option("--runs", multiple=True, metavar="CONTRACT=N", help="Runs that are left.")
@click.option("--releases", multiple=True, metavar="DATASET=N", help="Releases that are left.")
@click.option("--without", multiple=True, metavar="PARTY", help="Its broker is gone for good.")
@passphrase_options
def allow(
    source: PassphraseSource,
    *,
    runs: tuple[str, ...],
    releases: tuple[str, ...],
    without: tuple[str, ...],
) -> None:
    """Recover histories from the counterparties, and sign what a restored broker may release.

    Whatever is not named has nothing left.
    """
    from cleanroom.cli import recovering

    left = recovering.read_left(runs, releases)
    recovering.allow(current(), source, left, without=frozenset(without))
