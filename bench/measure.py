# SPDX-License-Identifier: Apache-2.0
"""Measure several ways of doing one thing, side by side, and say on what.

Every round runs each way once, in turn, so that a machine that slows down slows all
of them. Only ratios of medians are compared between machines; the spread of the
rounds says how far to trust them.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTIONS = ("duckdb", "pyarrow", "cryptography", "fsspec", "pandas", "tpchgen-cli")
Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one run took.

    Attributes:
        wall: Seconds on the clock.
        processor: Seconds of all processors, ended children included; says more on a
            machine that others use.
    """

    wall: float
    processor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one comparison took.

    Attributes:
        name: What was done.
        runs: Each way with its runs, a round each; the first way is the baseline.
        note: Anything that a reader must know.
    """

    name: str
    runs: Mapping[str, tuple[Taken, ...]]
    note: str = ""

    @property
    def baseline(self) -> str:
        """The way that the others are compared with."""
        return next(iter(self.runs))

    @property
    def others(self) -> tuple[str, ...]:
        """Every way but the baseline."""
        return tuple(self.runs)[1:]

    def ratio(self, way: str, *, to: str = "") -> float:
        """Ratio of median times on the clock, to another way or else to the baseline."""
        return median_wall(self.runs[way]) / median_wall(self.runs[to or self.baseline])

    def processor_ratio(self, way: str, *, to: str = "") -> float:
        """Ratio of median processor times, to another way or else to the baseline."""
        ours, plain = (
            statistics.median(run.processor for run in self.runs[name])
            for name in (way, to or self.baseline)
        )
        return ours / max(plain, 1e-9)

    def spread(self, way: str) -> tuple[float, float]:
        """Least and most ratio that any round had on the clock."""
        pairs = zip(self.runs[way], self.runs[self.baseline], strict=True)
        ratios = [ours.wall / plain.wall for ours, plain in pairs]
        return min(ratios), max(ratios)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A workload's figures and where they come from.

    Attributes:
        title: Name of the workload.
        data: What it ran on.
        cases: The comparisons.
        figures: Single figures, such as peak memory.
        load: Load of the machine when it began.
    """

    title: str
    data: str
    cases: tuple[Case, ...]
    figures: Mapping[str, str] = field(default_factory=dict)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def geometric_means(self) -> dict[str, tuple[float, float]]:
        """Give geometric means of each way's ratios: on the clock, and of processor time."""
        return {way: self._mean(way) for way in dict.fromkeys(self._ways())}

    def _ways(self) -> Iterator[str]:
        for case in self.cases:
            yield from case.others

    def _mean(self, way: str) -> tuple[float, float]:
        found = [case for case in self.cases if way in case.others]
        return (
            statistics.geometric_mean([case.ratio(way) for case in found]),
            statistics.geometric_mean([case.processor_ratio(way) for case in found]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a workload is run.

    Attributes:
        scale: Size of the data; 1 is what the published figures are about.
        times: Rounds that count.
        work: Directory for generated data.
        ways: Beginnings of the ways that are compared with the baseline; all if there is none.
    """

    scale: float
    times: int
    work: Path
    ways: tuple[str, ...] = ()

    def chosen(self, ways: Mapping[str, Work]) -> dict[str, Work]:
        """Give the baseline, which is the first way, and those that were asked for."""
        wanted = self.ways or ("",)
        return {
            way: work
            for number, (way, work) in enumerate(ways.items())
            if number == 0 or way.startswith(wanted)
        }


def median_wall(runs: Sequence[Taken]) -> float:
    """Median time on the clock."""
    return statistics.median(run.wall for run in runs)


def compare(name: str, ways: Mapping[str, Work], *, times: int, note: str = "") -> Case:
    """Run every way in turn, after one round that is not counted."""
    taken: dict[str, list[Taken]] = {way: [] for way in ways}
    for round_number in range(times + 1):
        for way in _turned(tuple(ways), round_number):
            run = stopwatch(ways[way])
            if round_number:
                taken[way].append(run)
    return told(Case(name=name, runs={way: tuple(runs) for way, runs in taken.items()}, note=note))


def _turned(ways: tuple[str, ...], by: int) -> tuple[str, ...]:
    # Nobody always runs first, nor always after the same one.
    start = by % len(ways)
    return ways[start:] + ways[:start]


def told(case: Case) -> Case:
    """Say on standard error how a case came out."""
    ratios = ", ".join(
        f"{way} {case.ratio(way):.2f} (processor {case.processor_ratio(way):.2f})"
        for way in case.others
    )
    print(f"  {case.name}: {ratios}", file=sys.stderr, flush=True)
    return case


def stopwatch(work: Work) -> Taken:
    """Time one call with all threads and all children that it waited for."""
    start, used = time.perf_counter(), _processor_seconds()
    work()
    return Taken(wall=time.perf_counter() - start, processor=_processor_seconds() - used)


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


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
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": platform.system() + " " + platform.release(),
        "python": sys.version.split()[0],
        **{name: found for name in DISTRIBUTIONS if (found := _version(name))},
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
