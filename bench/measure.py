# SPDX-License-Identifier: Apache-2.0
"""Measure two ways of doing one thing, side by side, and say on what.

Pairs are run one right after the other and in turn, so that a machine that
slows down slows both. Only ratios of medians are compared between machines.
"""

from __future__ import annotations

import json
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
class Taken:
    """What one run took.

    Attributes:
        wall: Seconds on the clock.
        processor: Seconds of all processors; says more on a machine that others use.
    """

    wall: float
    processor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What one comparison took.

    Attributes:
        name: What was compared.
        baseline: Each run of the plain way.
        ours: Each run of our way.
        note: Anything that a reader must know.
    """

    name: str
    baseline: tuple[Taken, ...]
    ours: tuple[Taken, ...]
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ratio of median times on the clock, ours to baseline."""
        return median_wall(self.ours) / median_wall(self.baseline)

    @property
    def processor_ratio(self) -> float:
        """Ratio of median processor times, ours to baseline."""
        ours, baseline = (
            statistics.median(run.processor for run in runs) for runs in (self.ours, self.baseline)
        )
        return ours / baseline


def median_wall(runs: Sequence[Taken]) -> float:
    """Median time on the clock."""
    return statistics.median(run.wall for run in runs)


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
    def geometric_means(self) -> tuple[float, float]:
        """Geometric means of the ratios: on the clock, and of processor time."""
        ratios = [(pair.ratio, pair.processor_ratio) for pair in self.pairs]
        wall, processor = (
            statistics.geometric_mean(column) for column in zip(*ratios, strict=True)
        )
        return wall, processor


def compare(
    name: str,
    *,
    baseline: Callable[[], object],
    ours: Callable[[], object],
    times: int,
    note: str = "",
) -> Pair:
    """Run two functions in turn, after one round that is not counted."""
    taken: tuple[list[Taken], list[Taken]] = ([], [])
    for round_number in range(times + 1):
        order = (0, 1) if round_number % 2 else (1, 0)
        for which in order:
            run = stopwatch((baseline, ours)[which])
            if round_number:
                taken[which].append(run)
    pair = Pair(name=name, baseline=tuple(taken[0]), ours=tuple(taken[1]), note=note)
    print(f"{name}: {pair.ratio:.2f}, processor {pair.processor_ratio:.2f}", flush=True)
    return pair


def stopwatch(function: Callable[[], object]) -> Taken:
    """Time one call, all threads of the process included."""
    start, used = time.perf_counter(), time.process_time()
    function()
    return Taken(wall=time.perf_counter() - start, processor=time.process_time() - used)


def peak_memory_mib() -> int:
    """Most memory that this process ever held.

    Not ``ru_maxrss``, which a child inherits from the parent that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


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
    found = asdict(report) | {"machine": machine(), "geometric_means": report.geometric_means}
    (directory / f"{report.title}.json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join(_markdown(report)) + "\n"
    (directory / f"{report.title}.md").write_text(text)
    print(text)


def _markdown(report: Report) -> Sequence[str]:
    rows = [
        f"| {pair.name} | {median_wall(pair.baseline):.3f} s | {median_wall(pair.ours):.3f} s "
        f"| {pair.ratio:.2f} | {pair.processor_ratio:.2f} | {len(pair.ours)} |"
        for pair in report.pairs
    ]
    wall, processor = report.geometric_means
    means = f"{wall:.2f} on the clock, {processor:.2f} of processor time"
    return [
        f"## {report.title}",
        "",
        report.data,
        "",
        "| case | plain, median | sealed, median | ratio | ratio of processor time | runs |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"Geometric means of the ratios: {means}.",
        "",
        *(f"* {name}: {figure}" for name, figure in report.figures.items()),
        *(f"* {pair.name}: {pair.note}" for pair in report.pairs if pair.note),
        "",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in machine().items()) + ".",
    ]
