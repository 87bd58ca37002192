# SPDX-License-Identifier: Apache-2.0
"""Sealing a table against DuckDB writing plain Parquet of the same table.

Every run is a process of its own, so that its peak memory is its own as well.
Run ``python -m bench.sealing --scale 1``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from bench.measure import Pair, Report, Taken, median_wall, peak_memory_mib, stopwatch, write_report
from bench.query import seal_table
from bench.tables import sizes, write_tables
from cleanroom.vault.data_key import new_data_key
from cleanroom.vault.seal import SealingOrder, seal_dataset


def main() -> None:
    """Compare for Parquet and CSV sources, and measure peak memory at two sizes."""
    arguments = _arguments()
    if arguments.run:
        print(*run(arguments.run, arguments.source, arguments.directory / "work"))
        return
    whole, half = (
        _sources(arguments.directory, scale) for scale in (arguments.scale, arguments.scale / 2)
    )
    pairs, figures = [], {}
    for kind, source in whole.items():
        pair, peaks = _paired(kind, source, arguments)
        pairs.append(pair)
        figures[f"peak memory, {kind}, plain"] = f"{peaks['plain']} MiB"
        figures[f"peak memory, {kind}, sealed"] = f"{peaks['sealed']} MiB"
        _, small = _child("sealed", half[kind], arguments.directory)
        figures[f"peak memory, {kind}, sealed, half the rows"] = f"{small} MiB"
        size = source.stat().st_size / 2**20
        figures[f"sealing rate, {kind}"] = (
            f"{size / median_wall(pair.ours):.0f} MiB of source a second"
        )
    rows = sizes(arguments.scale)["lines"]
    report = Report(
        title="sealing", data=f"{rows:,} line items.", pairs=tuple(pairs), figures=figures
    )
    write_report(report, directory=arguments.out)


def run(way: str, source: Path, work: Path) -> tuple[float, float, int]:
    """Do it once in this process; gives seconds, processor seconds and peak memory in MiB."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    function = {"plain": _plain, "sealed": _sealed}[way]
    taken = stopwatch(lambda: function(source, work))
    return taken.wall, taken.processor, peak_memory_mib()


def _plain(source: Path, work: Path) -> None:
    reader = "read_csv" if source.suffix == ".csv" else "read_parquet"
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": ""}) as connection:
        connection.execute(
            f"COPY (FROM {reader}('{source}')) TO '{work}/plain.parquet' "
            "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )


def _sealed(source: Path, work: Path) -> None:
    key = new_data_key(lineage="bench.lineitem", version=1)
    if source.suffix != ".csv":
        seal_table(source, work, key)
        return
    columns = frozenset(source.open().readline().strip().split(","))
    order = SealingOrder(key=key, columns=columns, types={}, normalisation={})
    seal_dataset(source, destination=work, order=order, progress=lambda *_: None)


def _paired(kind: str, source: Path, arguments: argparse.Namespace) -> tuple[Pair, dict[str, int]]:
    taken: dict[str, list[Taken]] = {"plain": [], "sealed": []}
    peaks = {"plain": 0, "sealed": 0}
    for round_number in range(arguments.times):
        for way in sorted(taken, reverse=bool(round_number % 2)):
            once, peak = _child(way, source, arguments.directory)
            taken[way].append(once)
            peaks[way] = max(peaks[way], peak)
    note = "types are found over the whole file first" if kind == "csv" else ""
    pair = Pair(name=kind, baseline=tuple(taken["plain"]), ours=tuple(taken["sealed"]), note=note)
    print(f"{kind}: {pair.ratio:.2f}, processor {pair.processor_ratio:.2f}", flush=True)
    return pair, peaks


def _child(way: str, source: Path, directory: Path) -> tuple[Taken, int]:
    command = [sys.executable, "-m", "bench.sealing", "--run", way, "--source", str(source)]
    command += ["--directory", str(directory)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, processor, peak = done.stdout.split()
    return Taken(wall=float(wall), processor=float(processor)), int(peak)


def _sources(directory: Path, scale: float) -> dict[str, Path]:
    parquet = write_tables(directory / f"plain-{scale}", scale=scale)["lineitem"]
    text = parquet.with_suffix(".csv")
    if not text.exists():
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM '{parquet}') TO '{text}' (HEADER)")
    return {"parquet": parquet, "csv": text}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, default=Path("build/bench/reports"))
    parser.add_argument("--run", choices=("plain", "sealed"), default="")
    parser.add_argument("--source", type=Path, default=Path())
    return parser.parse_args()


if __name__ == "__main__":
    main()
