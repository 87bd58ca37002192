# SPDX-License-Identifier: Apache-2.0
"""How time grows with the size of the data: the exponent between two sizes of one workload.

Ten times the data in ten times the time is 1; anything clearly above it grows faster
than the data does.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.growth_picture import Line, draw_growth
from bench.measure import Case, Report, median_wall

REACH = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How one way of one case grew between two sizes.

    Attributes:
        case: What was done.
        way: How.
        least: The smaller size.
        most: The larger size.
        exponent: Of the median time on the clock; 1 is linear.
    """

    case: str
    way: str
    least: float
    most: float
    exponent: float


def find_growth(reports: Mapping[float, Report]) -> list[Growth]:
    """Compare each size with the next larger one, case by case and way by way."""
    return [
        Growth(
            case=small.name,
            way=way,
            least=least,
            most=most,
            exponent=math.log(median_wall(large.runs[way]) / median_wall(small.runs[way]))
            / math.log(most / least),
        )
        for least, most in pairwise(sorted(reports))
        for small, large in _same_cases(reports[least], reports[most])
        for way in small.runs
        if way in large.runs
    ]


def write_growth(title: str, reports: Mapping[float, Report], *, directory: Path) -> None:
    """Write JSON, Markdown and a picture beside the reports, and print the Markdown."""
    grown = find_growth(reports)
    (directory / f"{title}-growth.svg").write_text(draw_growth(title, mean_lines(reports)))
    found = [
        {"case": g.case, "way": g.way, "from": g.least, "to": g.most, "exponent": g.exponent}
        for g in grown
    ]
    (directory / f"{title}-growth.json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join(_markdown(title, grown)) + "\n"
    (directory / f"{title}-growth.md").write_text(text)
    print(text)


def mean_lines(reports: Mapping[float, Report]) -> list[Line]:
    """For each way, seconds at each size: geometric means over the cases that all sizes have."""
    by_size = [
        (size, {case.name: case for case in reports[size].cases}) for size in sorted(reports)
    ]
    names = set.intersection(*(set(cases) for _, cases in by_size)) if by_size else set()
    every = [cases[name] for _, cases in by_size for name in sorted(names)]
    ways = dict.fromkeys(way for case in every for way in case.runs)
    return [
        Line(
            way=way,
            points=tuple(
                (
                    size,
                    statistics.geometric_mean(
                        [median_wall(cases[name].runs[way]) for name in sorted(names)]
                    ),
                )
                for size, cases in by_size
            ),
        )
        for way in ways
        if all(way in case.runs for case in every)
    ]


def _same_cases(small: Report, large: Report) -> Iterator[tuple[Case, Case]]:
    others = {case.name: case for case in large.cases}
    return ((case, others[case.name]) for case in small.cases if case.name in others)


def _markdown(title: str, grown: Sequence[Growth]) -> Iterator[str]:
    yield from (f"# {title}: growth", "", f"![seconds by size]({title}-growth.svg)", "")
    yield from ("| case | way | sizes | exponent |", "|---|---|---|---|")
    for one in grown:
        yield f"| {one.case} | {one.way} | {one.least:g} - {one.most:g} | {one.exponent:.2f} |"
    yield ""
    for way, least, most in dict.fromkeys((one.way, one.least, one.most) for one in grown):
        same = [g.exponent for g in grown if (g.way, g.least, g.most) == (way, least, most)]
        # The mean of exponents is the exponent of the geometric means.
        mean = statistics.fmean(same)
        yield f"* {way}, {least:g} - {most:g}: {mean:.2f} over all cases, to reach <= {REACH}"
