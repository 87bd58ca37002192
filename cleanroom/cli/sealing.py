# SPDX-License-Identifier: Apache-2.0
"""Which file is sealed under which policy, with which identifier rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from cleanroom.cli.policies import read_policy
from cleanroom.cli.session import Session
from cleanroom.contract.dataset import Dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.policy import Policy
from cleanroom.contract.signing import SigningParty
from cleanroom.contract.types import ColumnType
from cleanroom.errors import UnavailableError
from cleanroom.identity.profile import Profile, Unlocked
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_POLICY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.vault.new_version import AS_IT_IS, Arrangement, VersionOwner, abandon_version

_SERVERS = ("postgres:", "postgresql:")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingPlan:
    """One file with the policy that governs it.

    Attributes:
        source: The plain file.
        policy: The policy file.
        normalisation: Rule by column.
        types: Stated type by column.
        arrangement: How its rows are sealed.
    """

    source: Path
    policy: Path
    normalisation: Mapping[str, str]
    types: Mapping[str, str]
    arrangement: Arrangement


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for on the command line, for all files.

    Attributes:
        rules: ``COLUMN=RULE``.
        types: ``COLUMN=TYPE``.
        sort: Columns to sort by, the first one first.
        group_rows: Most rows in a row group; 0 for the usual number.
        table: Table of a database.
    """

    rules: Sequence[str] = ()
    types: Sequence[str] = ()
    sort: Sequence[str] = ()
    group_rows: int = 0
    table: str = ""


def plan(files: Sequence[Path], policies: Sequence[Path], wishes: Wishes) -> list[SealingPlan]:
    """Pair files with policies and give each table its identifier rules and stated types.

    Raises:
        click.UsageError: Not one policy a file, or a rule, type or order for a column that
            no policy has, or one table of several databases.
        MalformedError: A policy does not parse, or a type is none.
        UnavailableError: A file is the address of a server.
    """
    _require_files(files, wishes.table)
    if len(files) != len(policies):
        raise click.UsageError(f"{len(files)} files and {len(policies)} policies, agreed one each")
    parsed = {path: read_policy(path) for path in policies}
    ordered = _paired(files, {path: policy.dataset for path, policy in parsed.items()}, policies)
    wanted = dict(_read_pair(rule, "--normalise COLUMN=RULE") for rule in wishes.rules)
    stated = dict(_read_pair(text, "--type COLUMN=TYPE") for text in wishes.types)
    sorted_by = dict.fromkeys(wishes.sort, "")
    unused = set(wanted) | set(stated) | set(sorted_by)
    plans = []
    for source, path in zip(files, ordered, strict=True):
        normalisation, with_rule = _of_table(parsed[path], wanted)
        columns, with_type = _of_table(parsed[path], stated)
        order, in_order = _of_table(parsed[path], sorted_by)
        unused -= with_rule | with_type | in_order
        kinds = {name: str(ColumnType(kind, what="--type")) for name, kind in columns.items()}
        plans.append(
            SealingPlan(
                source=source,
                policy=path,
                normalisation=normalisation,
                types=kinds,
                arrangement=Arrangement(
                    sort=tuple(order),
                    group_rows=wishes.group_rows or AS_IT_IS.group_rows,
                    table=wishes.table,
                ),
            )
        )
    if unused:
        raise click.UsageError(f"no policy has the column {min(unused)}")
    return plans


def _paired(
    files: Sequence[Path], datasets: Mapping[Path, str], policies: Sequence[Path]
) -> list[Path]:
    by_table = {dataset.partition(".")[2]: path for path, dataset in datasets.items()}
    stems = [file.stem.lower() for file in files]
    if len(by_table) == len(set(stems)) == len(files) and set(stems) == set(by_table):
        return [by_table[stem] for stem in stems]
    return list(policies)


def _read_pair(text: str, form: str) -> tuple[str, str]:
    column, separator, value = text.partition("=")
    if not separator or not column or not value:
        raise click.UsageError(f"{text!r} is not of the form {form}")
    return column, value


def _of_table(policy: Policy, wanted: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
    table = policy.dataset.partition(".")[2]
    names = {column: column for column in policy.columns}
    names |= {f"{table}.{column}": column for column in policy.columns}
    used = [given for given in wanted if given in names]
    return {names[given]: wanted[given] for given in used}, set(used)


def _require_files(files: Sequence[Path], table: str) -> None:
    if table and len(files) > 1:
        raise click.UsageError("--table names a table of one database, found several files")
    if any(str(file).startswith(_SERVERS) for file in files):
        raise UnavailableError(
            "source: the address of a server, and commands are seen by others",
            code="data.server",
            hint="write it into a file of one line, chmod 600 it, and seal that file",
        )


def abandon(order: SealingPlan, profile: Profile, unlocked: Unlocked, *, room: Path) -> None:
    """Forget an interrupted sealing of the same dataset, if there is one.

    Raises:
        RefusedError: The policy is another party's.
        UnavailableError: Another process is sealing it.
    """
    abandon_version(
        read_limited(order.policy, what=order.policy.name, limit=MAX_POLICY_BYTES),
        room=RoomDirectory(path=room),
        owner=VersionOwner(
            party=SigningParty(document=profile.party, signer=unlocked.signer),
            receiving=unlocked.receiving,
            broker_home=profile.broker_home,
        ),
    )


def describe_all(session: Session, datasets: Sequence[Dataset]) -> None:
    """Print what was sealed; counts of parts and columns, never of rows."""
    value = {
        "sealed": [
            {
                "dataset": dataset.lineage,
                "version": dataset.version,
                "digest": str(dataset.digest),
                "columns": [{"name": name, "type": kind} for name, kind in dataset.columns],
                "parts": len(dataset.parts),
            }
            for dataset in datasets
        ]
    }
    lines = [f"{item.lineage} version {item.version} {item.digest}" for item in datasets]
    session.emit(value, "\n".join(lines))
