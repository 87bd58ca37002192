# SPDX-License-Identifier: Apache-2.0
"""Output policies: what may ever leave of a dataset; written by its owner alone."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.cli.session import Group, current

_path = click.Path(path_type=Path)


@click.group(cls=Group, name="policy")
def command() -> None:
    """Suggest, check and show output policies."""


@command.command()
@click.argument("file", type=_path)
@click.option("--owner", help="Whose data it is; the profile's party if absent.")
@click.option("--table", help="Name of the dataset; the file's name if absent.")
@click.option("--unit", default="", metavar="COLUMN", help="Column that identifies the unit.")
@click.option("--namespace", default="", help="What its identifiers name; COLUMN if absent.")
@click.option("--receiver", "receivers", multiple=True, metavar="PARTY", help="May receive.")
@click.option("--join", "joins", multiple=True, metavar="DATASET", help="May be joined with.")
def suggest(
    *,
    file: Path,
    owner: str | None,
    table: str | None,
    unit: str,
    namespace: str,
    receivers: tuple[str, ...],
    joins: tuple[str, ...],
) -> None:
    """Write a cautious draft for FILE on stdout, to be read, changed and kept."""
    from cleanroom.cli.policies import chosen_owner
    from cleanroom.cli.sketching import PolicyWishes, suggest_policy
    from cleanroom.identity.party import validate_party_name

    session = current()
    for receiver in receivers:
        validate_party_name(receiver, what=f"--receiver {receiver!r}")
    name = owner or chosen_owner(session)
    wishes = PolicyWishes(
        dataset=f"{name}.{table or file.stem.lower().replace('-', '_')}",
        unit=unit,
        namespace=namespace,
        receivers=receivers or (name,),
        joins=joins,
    )
    text = suggest_policy(file, wishes, remark=session.note).decode()
    session.emit({"policy": text}, text.rstrip("\n"))
    session.note("A draft: read every line, change what is wrong, then seal with it.")


@command.command()
@click.argument("file", type=_path)
def lint(file: Path) -> None:
    """Check that FILE is a complete policy, and name its weak rules."""
    from cleanroom.cli.policies import read_policy
    from cleanroom.contract.lint import lint_policy

    session = current()
    policy = read_policy(file)
    findings = [f"{item.severity}: {item.text}; {item.fix}" for item in lint_policy(policy)]
    value = {"dataset": policy.dataset, "digest": str(policy.digest), "findings": findings}
    session.emit(value, "\n".join([f"{policy.dataset} {policy.digest}", *findings]))


@command.command()
@click.argument("file", type=_path)
def show(file: Path) -> None:
    """Say in plain words what FILE lets out."""
    from cleanroom.cli.policies import read_policy
    from cleanroom.contract.show import show_policy

    policy = read_policy(file)
    text = show_policy(policy).rstrip("\n")
    value = {"dataset": policy.dataset, "digest": str(policy.digest), "text": text}
    current().emit(value, text)
