# SPDX-License-Identifier: Apache-2.0
"""Measure two ways of doing one thing, side by side, and say on what.

Pairs are run one right after the other and in turn, so that a machine that
slows down slows both. Only ratios of medians are compared between machines.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

DISTRIBUTIONS = ("duckdb", "pyarrow", "cryptography", "fsspec", "pandas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What one comparison took.

    Attributes:
        name: What was compared.
        baseline: Seconds of each run of the plain way.
        ours: Seconds of each run of our way.
        note: Anything that a reader must know.
    """

    name: str
    baseline: tuple[float, ...]
    ours: tuple[float, ...]
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ratio of medians, ours to baseline."""
        return statistics.median(self.ours) / statistics.median(self.baseline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A benchmark's figures and where they come from.

    Attributes:
        title: Name of the benchmark.
        data: What it ran on.
        pairs: The comparisons.
        figures: Single figures, such as peak memory.
    """

    title: str
    data: str
    pairs: tuple[Pair, ...]
    figures: Mapping[str, str]

    @property
    def geometric_mean(self) -> float:
        """Geometric mean of all ratios."""
        return math.exp(statistics.fmean(math.log(pair.ratio) for pair in self.pairs))


def compare(
    name: str,
    *,
    baseline: Callable[[], object],
    ours: Callable[[], object],
    times: int,
    note: str = "",
) -> Pair:
    """Run two functions in turn, after one round that is not counted."""
    taken: tuple[list[float], list[float]] = ([], [])
    for round_number in range(times + 1):
        order = (0, 1) if round_number % 2 else (1, 0)
        for which in order:
            seconds = stopwatch((baseline, ours)[which])
            if round_number:
                taken[which].append(seconds)
    print(f"{name}: {statistics.median(taken[1]) / statistics.median(taken[0]):.2f}", flush=True)
    return Pair(name=name, baseline=tuple(taken[0]), ours=tuple(taken[1]), note=note)


def stopwatch(function: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def machine() -> dict[str, str]:
    """Say what this ran on."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "processor": processor,
        "cores": str(len(os.sched_getaffinity(0))),
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": platform.platform(),
        "python": sys.version.split()[0],
        **{name: version(name) for name in DISTRIBUTIONS},
    }


def write_report(report: Report, *, directory: Path) -> None:
    """Write JSON for programs and Markdown for people, and print the latter."""
    directory.mkdir(parents=True, exist_ok=True)
    found = asdict(report) | {"machine": machine(), "geometric_mean": report.geometric_mean}
    (directory / f"{report.title}.json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join(_markdown(report)) + "\n"
    (directory / f"{report.title}.md").write_text(text)
    print(text)


def _markdown(report: Report) -> Sequence[str]:
    rows = [
        f"| {pair.name} | {statistics.median(pair.baseline):.3f} s "
        f"| {statistics.median(pair.ours):.3f} s | {pair.ratio:.2f} | {len(pair.ours)} |"
        for pair in report.pairs
    ]
    return [
        f"## {report.title}",
        "",
        report.data,
        "",
        "| case | plain, median | sealed, median | ratio | runs |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"Geometric mean of the ratios: {report.geometric_mean:.2f}.",
        "",
        *(f"* {name}: {figure}" for name, figure in report.figures.items()),
        *(f"* {pair.name}: {pair.note}" for pair in report.pairs if pair.note),
        "",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in machine().items()) + ".",
    ]
