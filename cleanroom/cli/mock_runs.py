# SPDX-License-Identifier: Apache-2.0
"""Run a query on invented rows and print what would leave, marked so that nobody mistakes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cleanroom.cli.results import describe, render_result
from cleanroom.cli.session import Session

if TYPE_CHECKING:
    from cleanroom.contract.agreement import Agreement
    from cleanroom.runner.proposed import Proposed

MARK = "MOCK: invented rows, about nobody"


def require_mock(*, mock: bool) -> None:
    """Refuse to run on real data here: that takes approvals, keys and a runner.

    Raises:
        click.UsageError: ``--mock`` was not given.
    """
    if not mock:
        raise click.UsageError(
            "query run works on invented rows only: add --mock; on real data: cleanroom run QUERY"
        )


def print_mock_run(
    session: Session,
    agreement: Agreement,
    proposal: Proposed,
    *,
    seed: int,
    units: int,
    columns: Sequence[str],
) -> None:
    """Run a proposal on invented rows and print its result.

    Raises:
        click.BadParameter: A parameter without exactly one value, or a column without values.
        RefusedError: One of the gates says no.
    """
    from cleanroom.cli.domains import read_domains
    from cleanroom.runner.mock_run import run_on_mock

    for name, parameter in proposal.parameters.items():
        if len(parameter.values) != 1:
            raise click.BadParameter(f"--param {name}: give the one value to run with")
    known = {name: domain.values for name, domain in read_domains(columns).items()}
    table = run_on_mock(agreement, proposal, seed=seed, units=units, known=known)
    value = {"mock": True, "seed": seed, "units": units, **describe(table)}
    session.emit(value, render_result(session, table, title=MARK))
