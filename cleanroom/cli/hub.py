# SPDX-License-Identifier: Apache-2.0
"""A hub: rooms of parties on other machines, kept by somebody whom nobody trusts."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.session import Group, current
from cleanroom.cli.watch_options import watch_options

_path = click.Path(path_type=Path)
_directory = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the hub keeps its rooms.",
)
_store = click.option(
    "--store",
    metavar="URL",
    default="",
    help="Where objects lie: s3://BUCKET/PREFIX, az://, gs:// or file:///. Default: the directory.",
)
_GIB = 1024**3


@click.group(cls=Group, name="hub")
def command() -> None:
    """Keep rooms for parties on other machines; withhold, but never alter."""


@command.command()
@_directory
@click.option("--listen", metavar="HOST:PORT", required=True, help="Serve from here.")
@click.option("--address", metavar="URL", default="", help="How callers reach it. Default: there.")
@click.option("--certificate", type=_path, metavar="FILE", help="PEM chain of this host.")
@click.option("--certificate-key", type=_path, metavar="FILE", help="PEM key of the certificate.")
@click.option(
    "--quota",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="GIB",
    help="Most that one room may hold.",
)
@click.option("--stop-with-stdin", is_flag=True, help="End when standard input is closed.")
@_store
@watch_options
def serve(
    directory: Path,
    listen: str,
    address: str,
    *,
    certificate: Path | None,
    certificate_key: Path | None,
    quota: int,
    stop_with_stdin: bool,
    store: str,
    metrics: str,
    log: bool,
) -> None:
    """Serve until interrupted. A room may hold --quota GiB."""
    from cleanroom.cli.lifeline import end_with_stdin
    from cleanroom.cli.networking import read_network
    from cleanroom.server.doors import Network
    from cleanroom.server.hub_serve import serve_hub
    from cleanroom.server.watching import watched

    session = current()
    network = read_network(listen, certificate, certificate_key)
    if stop_with_stdin:
        end_with_stdin()
    serve_hub(
        directory,
        network=network or Network(listen=listen, certificate=None),
        published=address,
        quota=quota * _GIB,
        options=watched(metrics, log=log),
        store=store,
        started=lambda place: session.emit({"address": place}, place),
    )


@command.command()
@click.argument("room")
@click.argument("documents", nargs=-1, required=True, type=_path)
@_directory
@click.option("--replace", is_flag=True, help="Exchange a party's document for another.")
def admit(room: str, documents: tuple[Path, ...], directory: Path, *, replace: bool) -> None:
    """Let the parties of DOCUMENTS (their .toml files) into ROOM, making it if it is new.

    Further parties come in by a contract that all of these have signed.
    """
    from cleanroom.hub.hub import admit_party
    from cleanroom.identity.party import parse_party
    from cleanroom.identity.pins import Replace
    from cleanroom.kernel.files import read_limited
    from cleanroom.kernel.limits import MAX_PARTY_BYTES

    session = current()
    read = [read_limited(path, what=path.name, limit=MAX_PARTY_BYTES) for path in documents]
    parties = [parse_party(data) for data in read]
    for party in parties:
        how = Replace.YES if replace else Replace.NO
        admit_party(directory, room, party, replace=how)
    value = {"room": room, "parties": {party.name: str(party.digest) for party in parties}}
    lines = [f"{party.name} {party.digest}" for party in parties]
    session.emit(value, "\n".join(lines))


@command.command()
@click.argument("room")
@click.argument("url", required=False)
@_directory
@click.option("--remove", is_flag=True, help="Tell URL nothing more.")
@click.option("--allow-private", is_flag=True, help="URL is in the hub's own network.")
def webhook(
    room: str, url: str | None, directory: Path, *, remove: bool, allow_private: bool
) -> None:
    """Tell URL of what happens in ROOM from now on; without URL, list who is told.

    Names and digests alone, signed with the hub's key; the hub may be running.
    """
    from cleanroom.cli import hub_webhooks

    if url is not None:
        hub_webhooks.enter(directory, room, url, remove=remove, private=allow_private)
    hub_webhooks.tell(current(), directory, room)


@command.command()
@click.argument("target", type=_path)
@_directory
@_store
def backup(target: Path, directory: Path, *, store: str) -> None:
    """Copy all rooms with their objects to the new directory TARGET; the hub may be running."""
    from cleanroom.hub.cloud import open_storage
    from cleanroom.hub.copies import copy_hub

    rooms = copy_hub(directory, target, storage=open_storage(store, to_write=False))
    current().emit({"rooms": list(rooms), "copy": str(target)}, "\n".join(rooms))


@command.command()
@click.argument("copy", type=_path)
@_directory
@_store
def restore(copy: Path, directory: Path, *, store: str) -> None:
    """Make a hub of COPY in a new directory, after checking every byte of it.

    Mirrors notice that rooms went back; `cleanroom room push` brings what the copy lacks.
    """
    from cleanroom.hub.cloud import open_storage
    from cleanroom.hub.copies import restore_hub

    rooms = restore_hub(copy, directory, storage=open_storage(store, to_write=True))
    current().emit({"rooms": list(rooms)}, "\n".join(rooms))


@command.command()
@_directory
@_store
@click.option("--to", "target", metavar="URL", default="", help="Where objects shall lie.")
def migrate(directory: Path, *, store: str, target: str) -> None:
    """Bring the tables of a stopped hub up to date, and its objects from one store to another.

    Objects stay in the old store. Whatever was interrupted goes on when it is called again.
    """
    from cleanroom.hub.cloud import open_storage
    from cleanroom.hub.copies import migrate_hub

    source, goal = open_storage(store, to_write=False), open_storage(target, to_write=True)
    moved = migrate_hub(directory, source=source, target=goal)
    current().emit({"objects": moved}, f"{moved} objects")
