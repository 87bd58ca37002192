# SPDX-License-Identifier: Apache-2.0
"""Python analyses in a simulated room: the health example with every kind granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from cleanroom import room as line
from cleanroom.contract.analysis import (
    PER_UNIT,
    AnalysisFunction,
    FrameAggregate,
    GroupColumn,
    MeasureColumn,
    PythonAnalysis,
    Statistic,
)
from cleanroom.contract.query import Query
from cleanroom.contract.types import ColumnType
from cleanroom.disclosure.result import ResultTable
from cleanroom.runner.analysis.environment import environment_digest
from cleanroom.runner.proposed import AnalysisProposal
from tests.support.room_simulator import HEALTH, SMALL, RoomSimulator, Table

STAYS, MEMBERS = "hospital.stays", "insurer.members"
KINDS = 'kinds = ["sql", "python_per_unit", "python_reviewed"]'
READS = {STAYS: ("email", "ward", "days", "cost"), MEMBERS: ("email", "programme")}
COHORT = PythonAnalysis(
    entry_point="cohort",
    environment=environment_digest(),
    unit=STAYS,
    groups=(
        GroupColumn(
            name="programme",
            type=ColumnType("string"),
            values=("follow-up", "standard"),
        ),
    ),
    measures=(
        MeasureColumn(
            name="days", type=ColumnType("double"), lower=Fraction(0), upper=Fraction(600)
        ),
    ),
    aggregates=(
        FrameAggregate(name="people", function=AnalysisFunction.COUNT, column=""),
        FrameAggregate(name="mean_days", function=AnalysisFunction.AVG, column="days"),
    ),
    statistics=(),
)
NUMBERS = replace(
    COHORT,
    groups=(),
    measures=(),
    aggregates=(),
    statistics=(Statistic(name="odds", statistic_class="calculated-ratios", digits=3),),
)
COHORT_CODE = b"""
import pyarrow as pa


def cohort(tables, parameters):
    days = tables["hospital.stays"].group_by("unit").aggregate([("days", "sum")])
    members = tables["insurer.members"].select(["unit", "programme"])
    frame = members.join(days, "unit", join_type="inner")
    return frame.rename_columns(["unit", "programme", "days"])
"""


def granting(directory: Path) -> Mapping[str, tuple[Table, ...]]:
    """Return the tables of the health example under policies that grant every kind."""
    directory.mkdir(parents=True, exist_ok=True)
    tables = {}
    for owner, owned in HEALTH.items():
        (table,) = owned
        policy = directory / table.policy.name
        text = table.policy.read_text().replace('kinds = ["sql"]', KINDS)
        # Two owners' people are the same where the contract links their namespaces.
        if owner == "insurer":
            text = text.replace("key:person", "key:member").replace(
                '"person"\ncol', '"member"\ncol'
            )
        policy.write_text(text)
        tables[owner] = (replace(table, policy=policy),)
    return tables


def analysis_room(directory: Path) -> RoomSimulator:
    """Return a room whose owners grant Python, agreed and with open brokers."""
    simulator = RoomSimulator(directory, tables=granting(directory / "policies"))
    simulator.agree()
    return simulator


def proposed(code: bytes, **changes: Any) -> AnalysisProposal:
    """Describe an analysis of the health example."""
    return AnalysisProposal(
        **{
            "name": "asked",
            "code": code,
            "kind": PER_UNIT,
            "datasets": READS,
            "analysis": COHORT,
            "parameters": {},
            "receivers": frozenset({"insurer"}),
            "resources": SMALL,
            **changes,
        }
    )


def approved(simulator: RoomSimulator, proposal: AnalysisProposal) -> Query:
    """Submit an analysis as the insurer and let every party approve it."""
    query = line.submit_query(
        simulator.profiles["insurer"],
        simulator.parties["insurer"].unlocked.signer,
        room=simulator.room,
        proposal=proposal,
    )
    for name in simulator.profiles:
        simulator.approve(query, by=name)
    return query


def answer(simulator: RoomSimulator, code: bytes, *, name: str, **changes: Any) -> ResultTable:
    """Submit, approve, run, verify and open one analysis; its run is ``analysis-<name>``."""
    values = changes.pop("values", {})
    query = approved(simulator, proposed(code, name=name, **changes))
    run = simulator.execute_request(query, run=f"analysis-{name}", parameters=values)
    return simulator.result(run)
