# SPDX-License-Identifier: Apache-2.0
"""Which file is sealed under which policy, with which identifier rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cleanroom.cli.policies import read_policy
from cleanroom.cli.session import Session
from cleanroom.contract.dataset import Dataset
from cleanroom.contract.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingPlan:
    """One file with the policy that governs it.

    Attributes:
        source: The plain file.
        policy: The policy file.
        normalisation: Rule by column.
    """

    source: Path
    policy: Path
    normalisation: Mapping[str, str]


def plan(
    files: Sequence[Path], policies: Sequence[Path], rules: Sequence[str]
) -> list[SealingPlan]:
    """Pair files with policies and give each table its identifier rules.

    Raises:
        click.UsageError: Not one policy a file, or a rule for a column that no policy has.
        MalformedError: A policy does not parse.
    """
    if len(files) != len(policies):
        raise click.UsageError(f"{len(files)} files and {len(policies)} policies, agreed one each")
    parsed = {path: read_policy(path) for path in policies}
    ordered = _paired(files, {path: policy.dataset for path, policy in parsed.items()}, policies)
    wanted = dict(_read_rule(rule) for rule in rules)
    unused = set(wanted)
    plans = []
    for source, path in zip(files, ordered, strict=True):
        normalisation, used = _rules_of(parsed[path], wanted)
        unused -= used
        plans.append(SealingPlan(source=source, policy=path, normalisation=normalisation))
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


def _read_rule(rule: str) -> tuple[str, str]:
    column, separator, name = rule.partition("=")
    if not separator or not column or not name:
        raise click.UsageError(f"--normalise {rule!r} is not of the form COLUMN=RULE")
    return column, name


def _rules_of(policy: Policy, wanted: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
    table = policy.dataset.partition(".")[2]
    names = {column: column for column in policy.columns}
    names |= {f"{table}.{column}": column for column in policy.columns}
    used = {given for given in wanted if given in names}
    return {names[given]: wanted[given] for given in used}, used


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
