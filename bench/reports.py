# SPDX-License-Identifier: Apache-2.0
"""Write what was measured: JSON for programs, Markdown for people, a picture for both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bench.measure import Case, Report, machine, median_wall
from bench.picture import draw


def write_report(report: Report, *, directory: Path) -> None:
    """Write all three beside each other, and print the Markdown."""
    directory.mkdir(parents=True, exist_ok=True)
    means = {
        way: {"clock": wall, "processor": processor}
        for way, (wall, processor) in report.geometric_means().items()
    }
    found = asdict(report) | {"machine": machine(), "geometric_means": means}
    (directory / f"{report.title}.json").write_text(json.dumps(found, indent=1) + "\n")
    (directory / f"{report.title}.svg").write_text(draw(report))
    text = "\n".join(_markdown(report)) + "\n"
    (directory / f"{report.title}.md").write_text(text)
    print(text)


def _markdown(report: Report) -> Iterator[str]:
    yield from (f"# {report.title}", "", report.data, "", f"![ratios]({report.title}.svg)", "")
    yield "| case | way | median | ratio | least - most | ratio of processor time | runs |"
    yield "|---|---|---|---|---|---|---|"
    for case in report.cases:
        yield from _rows(case)
    yield ""
    for way, (wall, processor) in report.geometric_means().items():
        yield (
            f"* {way}, geometric mean of the ratios: {wall:.2f} on the clock, "
            f"{processor:.2f} of processor time"
        )
    yield from (f"* {name}: {figure}" for name, figure in report.figures.items())
    yield from (f"* {case.name}: {case.note}" for case in report.cases if case.note)
    yield ""
    yield "Machine: " + ", ".join(f"{name} {value}" for name, value in machine().items())
    yield f"(load {report.load:.1f} at the start)."


def _rows(case: Case) -> Iterator[str]:
    yield f"| {case.name} | {case.baseline} | {_seconds(case, case.baseline)} | 1 | | 1 | |"
    for way in case.others:
        least, most = case.spread(way)
        yield (
            f"| | {way} | {_seconds(case, way)} | **{case.ratio(way):.2f}** | {least:.2f} - "
            f"{most:.2f} | {case.processor_ratio(way):.2f} | {len(case.runs[way])} |"
        )


def _seconds(case: Case, way: str) -> str:
    seconds = median_wall(case.runs[way])
    return f"{seconds:.3f} s" if seconds >= 1 / 10 else f"{seconds * 1000:.2f} ms"
