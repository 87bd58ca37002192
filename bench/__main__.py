# SPDX-License-Identifier: Apache-2.0
"""Measure everything, or the workloads that are named, and write what came of it.

``python -m bench --scale 1`` runs all of them; ``python -m bench tpch joins --scale 0.1`` two.
JSON, Markdown and pictures are written to ``docs/benchmarks``.
"""

from __future__ import annotations

import argparse
import gc
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analysis import measure_analysis
from bench.broker import measure_broker
from bench.gate_cost import measure_admission, measure_gate
from bench.growth import write_growth
from bench.hub import measure_hub
from bench.journey import measure_start_up
from bench.larger import measure_larger
from bench.measure import Report, Settings
from bench.query import measure_compared, measure_joins, measure_tpch
from bench.reports import write_report
from bench.sandbox import measure_sandbox
from bench.sealing import measure_sealing
from bench.verify import measure_verify

WORKLOADS: dict[str, tuple[str, Callable[[Settings], Report]]] = {
    "tpch": ("22 queries on sealed tables against plain Parquet", measure_tpch),
    "compared": ("five queries in every way to keep data encrypted, and pandas", measure_compared),
    "joins": ("10 M x 10 M overlap, and claims of members", measure_joins),
    "larger": ("queries larger than their memory", measure_larger),
    "sealing": ("sealing against writing plain Parquet", measure_sealing),
    "gate": ("the gate on and off", measure_gate),
    "admission": ("admitting one query", measure_admission),
    "verify": ("verifying a receipt and its parts", measure_verify),
    "sandbox": ("what confinement costs", measure_sandbox),
    "analysis": ("a Python analysis against the same script", measure_analysis),
    "broker": ("releases of a key broker, and its memory", measure_broker),
    "hub": ("signed requests to a hub, and uploads", measure_hub),
    "start-up": ("commands from a cold start", measure_start_up),
}
QUICK_SCALE = 0.001
# What a workload is expected to take on two idle cores, not measured: seconds whatever the size,
# seconds at scale 1 before the first round and of one round, and GB of disk at scale 1.
_EXPECTED = {
    "tpch": (10, 40, 16, 1.2),
    "compared": (10, 90, 30, 2.5),
    "joins": (5, 40, 12, 1.0),
    "larger": (60, 60, 60, 3.0),
    "sealing": (5, 10, 40, 1.5),
    "gate": (10, 20, 60, 0.5),
    "sandbox": (60, 30, 20, 1.0),
    "analysis": (60, 30, 30, 0.2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    names: tuple[str, ...]
    scales: tuple[float, ...]
    settings: Settings
    out: Path


def main(arguments: Sequence[str]) -> None:
    """Run the workloads one after the other."""
    plan = _read(arguments)
    for number, name in enumerate(plan.names, start=1):
        place = f"[{number}/{len(plan.names)}] {name}: {WORKLOADS[name][0]}"
        reports = {scale: _measure(name, scale, plan, place=place) for scale in plan.scales}
        if len(reports) > 1:
            write_growth(name, reports, directory=plan.out)


def _measure(name: str, scale: float, plan: _Plan, *, place: str) -> Report:
    settings = replace(plan.settings, scale=scale)
    print(f"{place}; {_estimate(name, settings)}", file=sys.stderr, flush=True)
    report = WORKLOADS[name][1](settings)
    if len(plan.scales) > 1:
        report = replace(report, title=f"{report.title}-{scale:g}")
    write_report(report, directory=plan.out)
    gc.collect()
    return report


def _estimate(name: str, settings: Settings) -> str:
    fixed, before, a_round, disk = _EXPECTED.get(name, (60, 0, 0, 0))
    rounds = (settings.times + 1) * a_round
    minutes = max(1, round((fixed + settings.scale * (before + rounds)) / 60))
    settings.work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.work).free / 1e9
    return f"about {minutes} min and {disk * settings.scale:.1f} GB of {free:.0f} GB that are free"


def _read(arguments: Sequence[str]) -> _Plan:
    listed = "\n".join(f"  {name:10} {says}" for name, (says, _) in WORKLOADS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=f"workloads:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="default: all")
    parser.add_argument(
        "--scale",
        "--sf",
        type=_scales,
        default=(1,),
        help="size of the data (default 1); several, as 1,10, also tell how time grows",
    )
    parser.add_argument(
        "--way",
        action="append",
        default=[],
        help="beside the baseline only ways that begin so, in compared",
    )
    parser.add_argument("--times", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument(
        "--quick", action="store_true", help="a thousandth of the rows, one round: does it all run?"
    )
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="generated data")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    read = parser.parse_args(arguments)
    if unknown := sorted(set(read.workloads) - set(WORKLOADS)):
        parser.error(f"no workload {unknown[0]}; there are {', '.join(WORKLOADS)}")
    scales, times = ((QUICK_SCALE,), 1) if read.quick else (read.scale, read.times)
    return _Plan(
        names=tuple(read.workloads or WORKLOADS),
        scales=scales,
        settings=Settings(scale=scales[0], times=times, work=read.work, ways=tuple(read.way)),
        out=read.out,
    )


def _scales(text: str) -> tuple[float, ...]:
    found = tuple(sorted({float(part) for part in text.split(",")}))
    if not all(0 < scale < math.inf for scale in found):
        raise ValueError(text)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
