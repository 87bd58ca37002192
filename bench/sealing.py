# SPDX-License-Identifier: Apache-2.0
"""Sealing a table against DuckDB writing plain Parquet of the same table.

Every run is a process of its own, so that its peak memory is its own as well.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from bench.measure import (
    Case,
    Report,
    Settings,
    Taken,
    median_wall,
    peak_memory_mib,
    stopwatch,
    told,
)
from bench.tables import shaped_tables, sizes
from bench.ways import PLAIN_PARQUET, seal_table
from cleanroom.contract.policy_terms import Role
from cleanroom.vault.data_key import new_data_key
from cleanroom.vault.seal import SealingOrder, seal_dataset

PLAIN, SEALED = "DuckDB writes plain Parquet", "sealed"


def measure_sealing(settings: Settings) -> Report:
    """Compare for Parquet and CSV sources, and measure peak memory at two sizes."""
    whole, half = (_sources(settings.work, scale) for scale in (settings.scale, settings.scale / 2))
    cases, figures = [], {}
    for kind, source in whole.items():
        case, peaks = _paired(kind, source, settings)
        cases.append(case)
        figures |= {f"peak memory, {kind}, {way}": f"{peak} MiB" for way, peak in peaks.items()}
        _, small = _child(SEALED, half[kind], settings.work)
        figures[f"peak memory, {kind}, sealed, half the rows"] = f"{small} MiB"
        rate = source.stat().st_size / 2**20 / median_wall(case.runs[SEALED])
        figures[f"sealing rate, {kind}"] = f"{rate:.0f} MiB of source a second"
    rows = sizes(settings.scale)["lines"]
    return Report(
        title="sealing", data=f"{rows:,} line items.", cases=tuple(cases), figures=figures
    )


def run(way: str, source: Path, work: Path) -> tuple[float, float, int]:
    """Do it once in this process; gives seconds, processor seconds and peak memory in MiB."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    function = {PLAIN: _plain, SEALED: _sealed}[way]
    taken = stopwatch(lambda: function(source, work))
    return taken.wall, taken.processor, peak_memory_mib()


def _plain(source: Path, work: Path) -> None:
    reader = "read_csv" if source.suffix == ".csv" else "read_parquet"
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": ""}) as connection:
        connection.execute(
            f"COPY (FROM {reader}('{source}')) TO '{work}/plain.parquet' ({PLAIN_PARQUET})"
        )


def _sealed(source: Path, work: Path) -> None:
    key = new_data_key(lineage="bench.lineitem", version=1)
    if source.suffix != ".csv":
        seal_table(source, work, key)
        return
    roles = dict.fromkeys(source.open().readline().strip().split(","), Role.BLOCKED)
    order = SealingOrder(key=key, roles=roles, types={}, normalisation={})
    seal_dataset(source, destination=work, order=order, progress=lambda *_: None)


def _paired(kind: str, source: Path, settings: Settings) -> tuple[Case, dict[str, int]]:
    taken: dict[str, list[Taken]] = {PLAIN: [], SEALED: []}
    peaks = dict.fromkeys(taken, 0)
    for round_number in range(settings.times):
        for way in sorted(taken, reverse=bool(round_number % 2)):
            once, peak = _child(way, source, settings.work)
            taken[way].append(once)
            peaks[way] = max(peaks[way], peak)
    note = "types are found over the whole file first" if kind == "csv" else ""
    runs = {way: tuple(runs) for way, runs in taken.items()}
    return told(Case(name=kind, runs=runs, note=note)), peaks


def _child(way: str, source: Path, directory: Path) -> tuple[Taken, int]:
    command = [sys.executable, "-m", "bench.sealing", way, str(source), str(directory / "once")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, processor, peak = done.stdout.split()
    return Taken(wall=float(wall), processor=float(processor)), int(peak)


def _sources(directory: Path, scale: float) -> dict[str, Path]:
    parquet = shaped_tables(directory / f"own-{scale:g}" / "made", scale=scale)["lineitem"]
    text = parquet.with_suffix(".csv")
    if not text.exists():
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM '{parquet}') TO '{text}' (HEADER)")
    return {"parquet": parquet, "csv": text}


if __name__ == "__main__":
    print(*run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
