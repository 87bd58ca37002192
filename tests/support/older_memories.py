# SPDX-License-Identifier: Apache-2.0
"""Turn a broker's memory into what an older version had written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_UNNUMBERED = """
DROP INDEX releases_of_contract; DROP INDEX releases_in_time; DROP TABLE touched;
CREATE INDEX ix_releases_contract ON releases (contract);
ALTER TABLE releases DROP COLUMN position;
ALTER TABLE counts RENAME TO numbered;
CREATE TABLE counts (
    lineage TEXT NOT NULL, receiver TEXT NOT NULL,
    statement INTEGER NOT NULL REFERENCES statements (number),
    PRIMARY KEY (lineage, receiver, statement)
);
INSERT INTO counts SELECT lineage, receiver, statement FROM numbered;
DROP TABLE numbered;
"""
_STAMPED = "UPDATE alembic_version SET version_num = '0003';"
_WITHOUT_CONTROLS = """
ALTER TABLE releases DROP COLUMN released_at; DROP TABLE stops; DROP TABLE quotas;
DROP TABLE allowances; DROP TABLE budgets; DROP TABLE alembic_version;
PRAGMA user_version = 1;
"""


def as_version_three(path: Path) -> None:
    """Before releases were numbered."""
    _change(path, _UNNUMBERED, _STAMPED)


def as_version_one(path: Path) -> None:
    """Before owners had controls, and before Alembic."""
    _change(path, _UNNUMBERED, _WITHOUT_CONTROLS)


def _change(path: Path, *scripts: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for script in scripts:
            database.executescript(script)
