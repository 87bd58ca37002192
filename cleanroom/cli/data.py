# SPDX-License-Identifier: Apache-2.0
"""Datasets of the acting party: sealed into the room, opened at home."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.options import data_room_option, room_option
from cleanroom.cli.passphrase import PassphraseSource, opening_options, passphrase_options
from cleanroom.cli.progress import progress
from cleanroom.cli.session import Group, current
from cleanroom.cli.tables import render_table

_path = click.Path(path_type=Path)


@click.group(cls=Group, name="data")
def command() -> None:
    """Seal, open, list, inspect and delete datasets."""


@command.command()
@click.argument("files", nargs=-1, required=True, type=_path)
@click.option("--policy", "policies", multiple=True, required=True, type=_path, help="One a file.")
@click.option("--normalise", multiple=True, metavar="COLUMN=RULE", help="Identifier rule.")
@click.option("--type", "types", multiple=True, metavar="COLUMN=TYPE", help="State a type.")
@click.option("--sort", multiple=True, metavar="COLUMN", help="Sort rows by it: faster queries.")
@click.option("--group-rows", type=click.IntRange(2048, 10_000_000), help="Most rows in a group.")
@click.option("--table", default="", metavar="NAME", help="Table of a database; else the policy's.")
@click.option("--restart", is_flag=True, help="Abandon an interrupted sealing of the dataset.")
@room_option
@passphrase_options
def seal(
    *,
    files: tuple[Path, ...],
    policies: tuple[Path, ...],
    normalise: tuple[str, ...],
    types: tuple[str, ...],
    sort: tuple[str, ...],
    group_rows: int | None,
    table: str,
    restart: bool,
    room: Path,
    source: PassphraseSource,
) -> None:
    """Seal FILES, each under its output policy.

    CSV, Parquet, a folder of Parquet files with or without column=value folders, a database
    of DuckDB or SQLite, the folder of a Delta table, an Iceberg table's .metadata.json, or a file
    with one line, the address of a PostgreSQL server: postgresql://USER@HOST/DATABASE. A file goes
    with the policy of the same table name, or in the order given. Rules: email-sha256,
    phone-e164-sha256[:COUNTRY], trim-lower. Types of a CSV are found in the data unless stated:
    money is best stated as decimal(12,2). TABLE.COLUMN names one table.
    """
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile, unlock_profile
    from cleanroom.cli.looking import naming
    from cleanroom.cli.sealing import Wishes, abandon, describe_all, plan

    session = current()
    wishes = Wishes(
        rules=normalise, types=types, sort=sort, group_rows=group_rows or 0, table=table
    )
    orders = plan(files, policies, wishes)
    profile = chosen_profile(session)
    unlocked = unlock_profile(profile, source)
    sealed = []
    for order in orders:
        if restart:
            abandon(order, profile, unlocked, room=room)
        with naming(order.source), progress(session, f"sealing {order.source.name}") as report:
            dataset = line.seal(
                profile,
                unlocked,
                source=order.source,
                policy=order.policy,
                room=room,
                normalisation=order.normalisation,
                types=order.types,
                arrangement=order.arrangement,
                progress=report,
            )
        sealed.append(dataset)
    describe_all(session, sealed)


@command.command("list")
@room_option
def list_datasets(room: Path) -> None:
    """List the sealed datasets of a room, as their documents say."""
    from cleanroom.cli.listing import DATASET_COLUMNS, list_datasets

    session = current()
    rows = list_datasets(room)
    value = {"datasets": [dict(zip(DATASET_COLUMNS, row, strict=True)) for row in rows]}
    session.emit(value, render_table(session, DATASET_COLUMNS, rows))


@command.command()
@click.argument("dataset")
@click.option("--table", default="", metavar="NAME", help="Table of a database; else the file's.")
@data_room_option
def inspect(dataset: str, table: str, room: Path) -> None:
    """Verify DATASET's signatures, its policy and every sealed part's digest; needs no key.

    Given a plain file or folder instead, say what sealing would make of its columns.
    """
    from cleanroom.cli import datasets
    from cleanroom.cli.acting import chosen_profile

    session = current()
    if Path(dataset).exists():
        from cleanroom.cli.looking import show_source

        show_source(session, Path(dataset), table=table)
        return
    profile = chosen_profile(session)
    found = datasets.read_dataset(profile, room, dataset)
    datasets.check_policy(profile, found, room)
    datasets.check_parts(found, room)
    description = datasets.describe(found)
    session.emit(description, datasets.render(description))


@command.command()
@click.argument("directory", type=_path)
@click.option("--seed", type=int, default=1, show_default=True, help="Another one, other rows.")
@click.option(
    "--units",
    type=click.IntRange(0, 100_000),
    default=400,
    show_default=True,
    help="How many people or firms to invent.",
)
@room_option
def mock(directory: Path, seed: int, units: int, room: Path) -> None:
    """Invent rows for every dataset of the room and write them to DIRECTORY as Parquet.

    Made from the signed schemas and policies alone: same names, types, keys and links,
    values within the declared bounds and some beyond. No key is needed, and no real row is used.
    """
    from cleanroom import room as line
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.cli.mocking import write_mocks
    from cleanroom.identity.pins import load_pins

    session = current()
    agreement = line.verify_contract(room, load_pins(chosen_profile(session).pins_directory))
    written = write_mocks(agreement, directory, seed=seed, units=units)
    lines = [f"{lineage} {made['rows']} rows {made['file']}" for lineage, made in written.items()]
    session.emit({"mock": written}, "\n".join(lines))


@command.command("open")
@click.argument("dataset")
@click.argument("file", type=_path)
@data_room_option
@opening_options
def open_dataset(dataset: str, file: Path, room: Path, source: PassphraseSource) -> None:
    """Write one's own DATASET to FILE as the plain Parquet that was sealed."""
    from cleanroom.cli import datasets
    from cleanroom.cli.acting import chosen_profile, unlock_seeds

    session = current()
    profile = chosen_profile(session)
    found = datasets.read_dataset(profile, room, dataset)
    seeds = unlock_seeds(profile, source)
    datasets.open_plain(profile, seeds, found, room=room, destination=file)
    session.emit({"dataset": dataset, "file": str(file)}, f"{dataset} opened into {file}")


@command.command()
@click.argument("dataset")
@click.option("--yes", is_flag=True, help="Do not ask; what is deleted cannot be had back.")
@room_option
def delete(dataset: str, room: Path, *, yes: bool) -> None:
    """Delete one's own DATASET: every key of it, and the sealed parts in the room."""
    from cleanroom.cli import datasets
    from cleanroom.cli.acting import chosen_profile
    from cleanroom.cli.confirming import confirm_by_typing

    session = current()
    profile = chosen_profile(session)
    found = datasets.read_dataset(profile, room, dataset)
    confirm_by_typing(session, f"dataset {dataset}", answer=dataset, yes=yes)
    versions = datasets.delete(profile, found, room=room)
    session.emit({"deleted": dataset, "versions": list(versions)}, f"deleted {dataset}")
