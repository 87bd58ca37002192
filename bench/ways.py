# SPDX-License-Identifier: Apache-2.0
"""Every way of asking a query of the same tables: plain, sealed, and what else there is.

Each call opens an engine, makes its views, runs and fetches, with the same settings for
threads, memory and reading. All ways read files with the same rows in the same row groups.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from cleanroom.contract.policy_terms import Role
from cleanroom.engine.lockdown import open_engine
from cleanroom.engine.query import Limits, View, run_query
from cleanroom.vault.data_key import DataKey, new_data_key
from cleanroom.vault.header import PartContext
from cleanroom.vault.plan import ENCODING
from cleanroom.vault.seal import Cut, SealedDataset, SealingOrder, seal_dataset
from cleanroom.vault.stream import PartReader

LIMITS = Limits(memory_mib=6000, seconds=600, rows=1_000_000, threads=len(os.sched_getaffinity(0)))
SCHEMA = "t"
CUT = Cut()
PART_ROWS = CUT.group_rows * CUT.groups_in_part
# As DuckDB writes Parquet if nobody says otherwise, and as sealed parts hold it.
PLAIN_PARQUET = f"FORMAT parquet, ROW_GROUP_SIZE {CUT.group_rows}"
_ALIKE_PARQUET = f"{PLAIN_PARQUET}, {ENCODING}"
_ENGINE_KEY = "0123456789abcdef0123456789abcdef"
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Tables in every form that a way reads.

    Attributes:
        plain: Plain Parquet files of each table, one for each sealed part, as DuckDB
            writes them by default.
        alike: The same, encoded and compressed as sealed parts are.
        views: The sealed tables.
    """

    plain: Mapping[str, list[str]]
    alike: Mapping[str, list[str]]
    views: tuple[View, ...]

    def run_plain(self, sql: str) -> Rows:
        """Query plain Parquet."""
        return _read_files(sql, self.plain)

    def run_alike(self, sql: str) -> Rows:
        """Query plain Parquet of the pages that sealed parts hold."""
        return _read_files(sql, self.alike)

    def run_sealed(self, sql: str) -> Rows:
        """Query sealed parts, as the query child does."""
        return run_query(views=self.views, sql=sql, parameters={}, limits=LIMITS).rows

    def run_decrypted_first(self, sql: str) -> Rows:
        """Open every part of every table into memory, then query the plain Parquet."""
        with ExitStack() as stack:
            files = {
                view.name: [_in_memory(part, stack) for part in view.parts] for view in self.views
            }
            return _read_files(sql, files)

    def run_engine_encrypted(self, sql: str) -> Rows:
        """Query Parquet that DuckDB encrypted by itself."""
        self._write_beside("engine", _encrypt_by_engine)
        return _read_files(sql, _beside(self.alike, "engine"), key=_ENGINE_KEY)

    def run_modular(self, sql: str) -> Rows:
        """Query Parquet Modular Encryption through pyarrow, with its push-down."""
        self._write_beside("modular", _encrypt_modular)
        options = ds.ParquetFragmentScanOptions(decryption_config=_decryption())
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        with duckdb.connect(config={"threads": LIMITS.threads}) as connection:
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
            for name, files in _beside(self.alike, "modular").items():
                connection.register(f"arrow_{name}", ds.dataset(files, format=form))
                connection.execute(f"CREATE TEMP VIEW {name} AS FROM arrow_{name}")
            return connection.execute(sql.replace(f"{SCHEMA}.", "")).fetchall()

    def _write_beside(self, way: str, encrypt: Callable[[str, str], None]) -> None:
        # Once, in the round that is not counted.
        for name, files in _beside(self.alike, way).items():
            for plain, encrypted in zip(self.alike[name], files, strict=True):
                if not Path(encrypted).exists():
                    encrypt(plain, encrypted)


@contextmanager
def open_ways(tables: Mapping[str, Path], *, work: Path) -> Iterator[Ways]:
    """Cut every table into files, seal it, and delete the sealed parts with the block."""
    with ExitStack() as stack:
        plain, alike = (
            {
                name: cut_plain(path, work / way / name, options=options)
                for name, path in tables.items()
            }
            for way, options in (("plain", PLAIN_PARQUET), ("alike", _ALIKE_PARQUET))
        )
        views = tuple(_sealed_view(name, path, work, stack) for name, path in tables.items())
        yield Ways(plain=plain, alike=alike, views=views)


def seal_table(path: Path, directory: Path, key: DataKey) -> SealedDataset:
    """Seal one table."""
    roles = dict.fromkeys(pq.read_schema(path).names, Role.BLOCKED)
    order = SealingOrder(key=key, roles=roles, types={}, normalisation={})
    return seal_dataset(path, destination=directory, order=order, progress=lambda *_: None)


def cut_plain(path: Path, place: Path, *, options: str = PLAIN_PARQUET) -> list[str]:
    """Cut a plain table into as many files as there are parts, row group for row group."""
    place.mkdir(parents=True, exist_ok=True)
    rows = pq.read_metadata(path).num_rows
    paths = [str(place / f"{number:05}.parquet") for number in range(-(-rows // PART_ROWS) or 1)]
    with duckdb.connect() as connection:
        for number, file in enumerate(paths):
            if not Path(file).exists():
                connection.execute(
                    f"COPY (SELECT * EXCLUDE file_row_number FROM read_parquet('{path}', "
                    f"file_row_number = true) WHERE file_row_number >= {number * PART_ROWS} "
                    f"AND file_row_number < {(number + 1) * PART_ROWS}) TO '{file}' ({options})"
                )
    return paths


def _read_files(sql: str, tables: Mapping[str, list[str]], *, key: str = "") -> Rows:
    with open_engine(memory_mib=LIMITS.memory_mib, threads=LIMITS.threads) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        option = ""
        if key:
            connection.execute(f"PRAGMA add_parquet_key('k', '{key}')")
            option = ", encryption_config = {footer_key: 'k'}"
        for name, paths in tables.items():
            connection.execute(f"CREATE VIEW {SCHEMA}.{name} AS FROM read_parquet({paths}{option})")
        return connection.execute(sql).fetchall()


def _sealed_view(name: str, path: Path, work: Path, stack: ExitStack) -> View:
    key = new_data_key(lineage=f"bench.{name}", version=1)
    place = work / f"sealed-{secrets.token_hex(4)}-{name}"
    sealed = seal_table(path, place, key)
    stack.callback(shutil.rmtree, place)
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
    columns = tuple(column for column, _ in sealed.columns)
    return View(schema=SCHEMA, name=name, columns=columns, parts=tuple(readers))


def _in_memory(part: Any, stack: ExitStack) -> str:  # noqa: ANN401 - a part reader
    descriptor = os.memfd_create("plain")
    stack.callback(os.close, descriptor)
    os.write(descriptor, part.read_at(0, part.size))
    return f"/proc/self/fd/{descriptor}"


def _beside(tables: Mapping[str, list[str]], way: str) -> dict[str, list[str]]:
    return {name: [f"{file}.{way}" for file in files] for name, files in tables.items()}


def _encrypt_by_engine(plain: str, encrypted: str) -> None:
    with duckdb.connect() as connection:
        # The wheel's own AES writes only when asked to; reading needs nothing.
        connection.execute("SET force_mbedtls_unsafe = true")
        connection.execute(f"PRAGMA add_parquet_key('k', '{_ENGINE_KEY}')")
        connection.execute(
            f"COPY (FROM read_parquet('{plain}')) TO '{encrypted}' "
            f"({_ALIKE_PARQUET}, ENCRYPTION_CONFIG {{footer_key: 'k'}})"
        )


class _WrappedByNothing(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """A key service that costs nothing, so that only the format is measured."""

    def wrap_key(self, key: bytes, _: str) -> bytes:
        """Return the key as text."""
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: bytes, _: str) -> bytes:
        """Return the key."""
        return base64.b64decode(wrapped)


def _factory() -> pe.CryptoFactory:
    return pe.CryptoFactory(lambda _: _WrappedByNothing())


def _decryption() -> ds.ParquetDecryptionConfig:
    return ds.ParquetDecryptionConfig(
        _factory(), pe.KmsConnectionConfig(), pe.DecryptionConfiguration()
    )


def _encrypt_modular(plain: str, encrypted: str) -> None:
    settings = pe.EncryptionConfiguration(
        footer_key="footer",
        uniform_encryption=True,
        encryption_algorithm="AES_GCM_V1",
        data_key_length_bits=256,
        double_wrapping=False,
    )
    factory = _factory()
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), settings)
    table: pa.Table = pq.read_table(plain)
    pq.write_table(
        table,
        encrypted,
        compression="zstd",
        row_group_size=CUT.group_rows,
        encryption_properties=properties,
    )
