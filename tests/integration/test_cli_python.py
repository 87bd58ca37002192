# SPDX-License-Identifier: Apache-2.0
"""Python analyses by typing: submitted, approved, run, opened and verified."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.analyses import KINDS
from tests.support.command_line import EXAMPLE, TABLES, Party, introduce, serving, two_parties
from tests.support.source_tree import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "python-analyses.md").read_text("utf-8")
DOCUMENTED = dict(
    zip(
        re.findall(r"^## (A .*)$", PAGE, flags=re.MULTILINE),
        re.findall(r"```toml\n(.*?)```\n\n```python\n(.*?)```", PAGE, flags=re.DOTALL),
        strict=True,
    )
)
ODDS = (
    """\
format = "cleanroom.analysis.v0"
kind = "python_reviewed"

[[datasets]]
lineage = "hospital.stays"
columns = ["days"]

[python]
entry_point = "odds"
unit = "hospital.stays"
statistics = [{ name = "odds", class = "calculated-ratios", digits = 3 }]
""",
    """\
from cleanroom import release


def odds(tables, parameters):
    days = tables["hospital.stays"]["days"].to_pylist()
    longer = sum(value > parameters["days"] for value in days)
    units = len(tables["hospital.stays"]["unit"].unique())
    return release.stat("odds", longer / len(days), units=units)
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A room in which both owners grant Python, with brokers that serve."""

    hospital: Party
    insurer: Party
    room: Path

    def types(self, party: Party, *arguments: str | Path) -> dict[str, object]:
        return party.succeeds(*arguments, "--room", self.room)

    def receipt(self, run: str) -> Path:
        return self.room / "runs" / run / "receipt.json"


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agreed]:
    directory = tmp_path_factory.mktemp("python")
    hospital, insurer = two_parties(directory)
    room = directory / "room"
    introduce((hospital, insurer), room)
    rule = ("--normalise", "email=email-sha256", "--room", room)
    for party in (hospital, insurer):
        table = TABLES[party.name]
        text = (EXAMPLE / "policies" / f"{party.name}.{table}.toml").read_text()
        policy = directory / f"{table}.toml"
        policy.write_text(text.replace('kinds = ["sql"]', KINDS))
        party.succeeds("data", "seal", EXAMPLE / "data" / f"{table}.csv", "--policy", policy, *rule)
    # Nothing is added to the draft: two owners with one namespace need no link.
    draft = ("--template", "two-party", "--platform", "simulated", "--receiver", "insurer")
    hospital.succeeds("contract", "new", *draft, "--room", room)
    for party in (hospital, insurer):
        party.succeeds("contract", "sign", "--room", room)
    with serving(hospital, insurer):
        yield Agreed(hospital=hospital, insurer=insurer, room=room)


def submitted(agreed: Agreed, directory: Path, name: str, pair: tuple[str, str]) -> Path:
    """Write an analysis, try it on mock data, submit it and have the other owner approve it."""
    declared, code = pair
    script, beside = directory / f"{name}.py", directory / f"{name}.toml"
    script.write_text(code)
    beside.write_text(declared)
    domain = ("--param", "days=7,14") if "parameters[" in code else ()
    described = (script, "--analysis", beside, *domain)
    done = agreed.types(agreed.insurer, "query", "submit", *described)
    assert done["query"] == name
    if "insurer.members" in declared:
        assert done["approved_by_author"]
    agreed.types(agreed.hospital, "query", "approve", name)
    return beside


def test_a_python_query_goes_from_a_file_to_a_verified_receipt(
    agreed: Agreed, tmp_path: Path
) -> None:
    submitted(agreed, tmp_path, "odds", ODDS)
    shown = agreed.insurer.types("query", "show", "odds", "--room", agreed.room)
    assert shown.out.endswith(ODDS[1] + "\n") or ODDS[1] in shown.out
    ran = agreed.insurer.program("run", "odds", "--param", "days=7", "--room", agreed.room)
    assert ran.status == 0, ran.err
    assert "SUPPORT ASSERTED BY CODE" in ran.out + ran.err
    (run,) = re.findall(r"^run (\S+-\S+)$", ran.out + ran.err, flags=re.MULTILINE)
    with (EXAMPLE / "data" / "stays.csv").open() as file:
        days = [int(row["days"]) for row in csv.DictReader(file)]
    result = agreed.types(agreed.insurer, "result", "get", run)
    share = sum(value > 7 for value in days) / len(days)
    assert [[float(value) for value in row] for row in result["rows"]] == [[float(f"{share:.3g}")]]
    verified = agreed.hospital.types("verify", agreed.receipt(run))
    assert verified.status == 0
    assert "SUPPORT ASSERTED BY CODE, not checked" in verified.out


@pytest.mark.parametrize("title", DOCUMENTED)
def test_what_the_documentation_shows_runs_on_sealed_data(
    agreed: Agreed, tmp_path: Path, title: str
) -> None:
    (name,) = re.findall(r'entry_point = "(\w+)"', DOCUMENTED[title][0])
    name = name.replace("_", "-")
    submitted(agreed, tmp_path, name, DOCUMENTED[title])
    ran = agreed.insurer.program("run", name, "--room", agreed.room, "--json")
    assert ran.status == 0, ran.out + ran.err
    result = ran.json["result"]
    assert all(value is not None for value in result["rows"][0])
    assert agreed.hospital.types("verify", agreed.receipt(ran.json["run"])).status == 0
