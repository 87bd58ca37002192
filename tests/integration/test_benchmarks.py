# SPDX-License-Identifier: Apache-2.0
"""What a benchmark says of its runs, and that its one command writes it."""

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.__main__ import QUICK_SCALE
from bench.broker import batch_of
from bench.growth import find_growth, mean_lines, write_growth
from bench.hub import objects_of, requests_of
from bench.journey import MAX_STAYS_A_YEAR, write_stays, years_of
from bench.larger import rows_of
from bench.measure import Case, Report, Settings, Taken, compare
from bench.picture import draw

ROOT = Path(__file__).parents[2]
KINDS = ("json", "md", "svg")
WAYS = {"plain DuckDB", "sealed", "plain, encoded alike"}


def runs(*walls):
    return tuple(Taken(wall=wall, processor=wall / 2) for wall in walls)


CASE = Case(name="a <case>", runs={"plain": runs(1, 2, 4), "ours": runs(3, 2, 2)})


def test_a_ratio_is_of_medians_and_its_spread_of_rounds():
    assert CASE.ratio("ours") == 1
    assert CASE.processor_ratio("ours") == 1
    assert CASE.spread("ours") == (0.5, 3)
    assert (CASE.ratio("plain", to="ours"), CASE.ratio("ours", to="ours")) == (1, 1)
    faster = Case(name="c", runs={"plain": runs(8), "ours": runs(4), "other": runs(1)})
    assert (faster.ratio("ours", to="other"), faster.processor_ratio("ours", to="other")) == (4, 4)


def test_means_are_geometric_over_the_cases_that_have_a_way():
    slow = Case(name="b", runs={"plain": runs(1), "ours": runs(4), "other": runs(2)})
    report = Report(title="t", data="d", cases=(CASE, slow))
    assert report.geometric_means() == {"ours": (2, 2), "other": (2, 2)}


def test_growth_is_an_exponent_for_each_way_between_neighbouring_sizes():
    def report(**walls):
        cases = (Case(name="c", runs={way: runs(wall) for way, wall in walls.items()}),)
        return Report(title="t", data="d", cases=cases)

    grown = find_growth({10: report(a=10, b=100), 1: report(a=1, b=1), 100: report(a=1000)})
    found = [(one.way, one.least, one.most, round(one.exponent, 6)) for one in grown]
    assert found == [("a", 1, 10, 1), ("b", 1, 10, 2), ("a", 10, 100, 2)]


def test_growth_is_drawn_from_means_over_the_cases_that_every_size_has(tmp_path):
    def report(**walls):
        cases = (Case(name=n, runs={"a<b>": runs(wall)}) for n, wall in walls.items())
        return Report(title="t", data="d", cases=tuple(cases))

    reports = {10: report(p=40, q=10, only_here=9), 1: report(p=4, q=1)}
    assert [(line.way, line.points) for line in mean_lines(reports)] == [
        ("a<b>", ((1, pytest.approx(2)), (10, pytest.approx(20))))
    ]
    write_growth("t", reports, directory=tmp_path)
    picture = ET.fromstring((tmp_path / "t-growth.svg").read_text())  # noqa: S314 - our own picture
    assert len(picture.findall("{*}circle")) == 2
    linear, drawn = picture.findall("{*}polyline")
    assert linear.get("points") == drawn.get("points")  # ten times the data in ten times the time
    assert "a<b>, 1 - 10: 1.00 over all cases" in (tmp_path / "t-growth.md").read_text()


def test_a_quick_look_at_brokers_hubs_and_large_queries_is_small_and_never_empty(tmp_path):
    quick = Settings(scale=QUICK_SCALE, times=1, work=tmp_path)
    whole = Settings(scale=1, times=1, work=tmp_path)
    assert (batch_of(quick), requests_of(quick), objects_of(quick)) == (24, 4, 2)
    assert (batch_of(whole), requests_of(whole), objects_of(whole)) == (96, 400, 16)
    assert (rows_of(quick), rows_of(whole)) == (20_000, 20_000_000)
    # What is measured has to be larger than its memory.
    assert rows_of(Settings(scale=0.1, times=1, work=tmp_path)) == 6_000_000


def test_every_round_runs_every_way_once_and_no_way_is_always_first():
    calls = []
    ways = {way: lambda way=way: calls.append(way) for way in "abc"}
    case = compare("c", ways, times=3)
    assert {way: len(found) for way, found in case.runs.items()} == {"a": 3, "b": 3, "c": 3}
    rounds = [calls[place : place + 3] for place in range(0, 12, 3)]
    assert {"".join(sorted(one)) for one in rounds} == {"abc"}
    assert {one[0] for one in rounds} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("wanted", "left"),
    [((), ["plain", "sealed", "decrypted first"]), (("dec",), ["plain", "decrypted first"])],
)
def test_the_baseline_stays_whichever_ways_are_asked_for(tmp_path, wanted, left):
    ways = dict.fromkeys(("plain", "sealed", "decrypted first"), int)
    settings = Settings(scale=1, times=1, work=tmp_path, ways=wanted)
    assert list(settings.chosen(ways)) == left


def test_every_round_of_the_journey_has_a_year_of_its_own_with_the_same_stays(tmp_path):
    years = years_of(6)
    assert len(set(years)) == len(years)
    write_stays(tmp_path / "stays.csv", years)
    with (tmp_path / "stays.csv").open(newline="") as file:
        stays = list(csv.DictReader(file))
    assert set(Counter(stay["year"] for stay in stays).values()) == {1035}
    assert len({stay["stay_id"] for stay in stays}) == len(stays)
    people = Counter((stay["year"], stay["email"].strip().lower()) for stay in stays)
    assert max(people.values()) <= MAX_STAYS_A_YEAR


@pytest.mark.slow
def test_a_counted_run_of_the_journey_is_computed_and_not_looked_up(tmp_path):
    # The workload reads the receipts, and fails unless they say so.
    command = [sys.executable, "-m", "bench", "start-up", "--times", "1", "--out", tmp_path]
    subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, check=True)
    cases = json.loads((tmp_path / "start-up.json").read_text())["cases"]
    assert {"run, to the verified result", "run, repeated"} <= {case["name"] for case in cases}


def test_a_picture_takes_names_as_text():
    picture = draw(Report(title="t", data="d", cases=(CASE,)))
    assert "a &lt;case&gt;" in picture
    assert "<case>" not in picture


@pytest.mark.slow
def test_the_one_command_writes_json_markdown_and_a_picture(tmp_path):
    options = ["--quick", "--work", tmp_path, "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "bench", "joins", *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "[1/1] joins" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "joins.json",
        "joins.md",
        "joins.svg",
    }
    found = json.loads((tmp_path / "out" / "joins.json").read_text())
    assert found["machine"]["duckdb"]
    assert {name for case in found["cases"] for name in case["runs"]} == WAYS


@pytest.mark.slow
def test_a_quick_look_asks_every_query_of_a_workload_once(tmp_path):
    options = ["--quick", "--work", tmp_path, "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "bench", "gate", "tpch", *map(str, options)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for workload, least in (("gate", 9), ("tpch", 5)):
        found = json.loads((tmp_path / "out" / f"{workload}.json").read_text())
        assert len(found["cases"]) >= least
        assert all(len(runs) == 1 for case in found["cases"] for runs in case["runs"].values())
        assert {"load", "cores", "processor", "memory", "python"} <= set(found["machine"])


@pytest.mark.slow
def test_several_sizes_are_written_each_and_how_time_grows_between_them(tmp_path):
    options = ["--sf", "0.002,0.001", "--times", "1", "--work", tmp_path, "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "bench", "joins", *map(str, options)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    reports = {f"joins-{scale}.{kind}" for scale in ("0.001", "0.002") for kind in KINDS}
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == reports | {f"joins-growth.{kind}" for kind in KINDS}
    grown = json.loads((tmp_path / "out" / "joins-growth.json").read_text())
    assert {(one["from"], one["to"]) for one in grown} == {(0.001, 0.002)}
    assert {one["way"] for one in grown} == WAYS


@pytest.mark.slow
@pytest.mark.parametrize("sizes", ["0", "-1", "inf", "nan", "one", "1,"])
def test_a_size_that_is_none_is_refused(sizes):
    command = [sys.executable, "-m", "bench", "joins", f"--sf={sizes}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "--scale" in done.stderr


@pytest.mark.slow
def test_an_unknown_workload_is_named_with_those_that_there_are():
    command = [sys.executable, "-m", "bench", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "no workload nothing" in done.stderr
    assert "start-up" in done.stderr
