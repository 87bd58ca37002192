# SPDX-License-Identifier: Apache-2.0
"""Queries on sealed data against plain DuckDB on plain Parquet of the same data.

Both sides open an engine, make their views, run and fetch, with the same settings
for threads, memory and reading. Run ``python -m bench.query --scale 1``.
"""

from __future__ import annotations

import argparse
import secrets
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from bench.measure import Report, compare, write_report
from bench.tables import QUERIES, sizes, write_tables
from cleanroom.engine.lockdown import open_engine
from cleanroom.engine.query import Limits, View, run_query
from cleanroom.vault.data_key import DataKey, new_data_key
from cleanroom.vault.header import PartContext
from cleanroom.vault.seal import SealedDataset, SealingOrder, seal_dataset
from cleanroom.vault.stream import PartReader

LIMITS = Limits(memory_mib=6000, seconds=600, rows=1_000_000, threads=2)


def main() -> None:
    """Seal the tables, run every query both ways and write the report."""
    arguments = _arguments()
    tables = write_tables(arguments.directory / f"plain-{arguments.scale}", scale=arguments.scale)
    with ExitStack() as stack:
        views = [_sealed_view(path, arguments.directory, stack) for path in tables.values()]
        plain = {name: _chop(path, arguments.directory) for name, path in tables.items()}
        pairs = tuple(
            compare(
                name,
                baseline=lambda sql=sql: run_plain(plain, sql.format(t="bench")),
                ours=lambda sql=sql: run_query(
                    views=views, sql=sql.format(t="bench"), parameters={}, limits=LIMITS
                ),
                times=arguments.times,
            )
            for name, sql in QUERIES.items()
        )
    rows = ", ".join(f"{count:,} {name}" for name, count in sizes(arguments.scale).items())
    write_report(
        Report(title="query", data=f"TPC-H-shaped: {rows}.", pairs=pairs, figures={}),
        directory=arguments.out,
    )


def run_plain(tables: dict[str, list[str]], sql: str) -> list[tuple[object, ...]]:
    """Run a query over plain Parquet, in an engine with the settings that ours has."""
    with open_engine(memory_mib=LIMITS.memory_mib, threads=LIMITS.threads) as connection:
        connection.execute("CREATE SCHEMA bench")
        for name, paths in tables.items():
            connection.execute(f"CREATE VIEW bench.{name} AS FROM read_parquet({paths})")
        return connection.execute(sql).fetchall()


def seal_table(path: Path, directory: Path, key: DataKey) -> SealedDataset:
    """Seal one table."""
    columns = frozenset(pq.read_schema(path).names)
    order = SealingOrder(key=key, columns=columns, types={}, normalisation={})
    return seal_dataset(path, destination=directory, order=order, progress=lambda *_: None)


def _sealed_view(path: Path, directory: Path, stack: ExitStack) -> View:
    key = new_data_key(lineage=f"bench.{path.stem}", version=1)
    place = directory / f"sealed-{secrets.token_hex(4)}-{path.stem}"
    sealed = seal_table(path, place, key)
    readers = []
    for number, part in enumerate(sealed.parts):
        context = PartContext(
            lineage=key.lineage,
            version=1,
            part=number,
            parts=len(sealed.parts),
            key_id=key.key_id,
            file_id=part.file_id,
        )
        file = place / Path(part.file).name
        readers.append(PartReader(file, key=key.secret, expected=context, name=part.file))
        stack.callback(readers[-1].close)
        stack.callback(file.unlink)
    return View(
        schema="bench",
        name=path.stem,
        columns=tuple(name for name, _ in sealed.columns),
        parts=tuple(readers),
    )


def _chop(path: Path, directory: Path) -> list[str]:
    """Cut the plain table into as many files as there are parts, row group for row group."""
    place = directory / f"chopped-{path.parent.name}-{path.stem}"
    place.mkdir(parents=True, exist_ok=True)
    rows, step = pq.read_metadata(path).num_rows, 16 * 122_880
    paths = [str(place / f"{number:05}.parquet") for number in range(-(-rows // step))]
    with duckdb.connect() as connection:
        for number, file in enumerate(paths):
            connection.execute(
                f"COPY (SELECT * EXCLUDE file_row_number FROM read_parquet('{path}', "  # noqa: S608
                f"file_row_number = true) WHERE file_row_number BETWEEN {number * step} "
                f"AND {(number + 1) * step - 1}) TO '{file}' "
                "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
            )
    return paths


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, default=Path("build/bench/reports"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
