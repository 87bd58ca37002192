# SPDX-License-Identifier: Apache-2.0
"""The corpora of attacks and honest queries that lie beside the repository, if they do."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.gate_policies import corpus_catalog

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One query of a corpus."""

    id: str
    kind: str
    sql: str
    expected: str
    acceptable: tuple[str, ...]
    params: dict[str, Any] = field(default_factory=dict)


def load(name: str) -> tuple[Item, ...]:
    """Read one corpus, or nothing when it is not beside the repository."""
    path = CORPUS / name
    if not path.exists():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_item(json.loads(line)) for line in lines)


def data_generator() -> ModuleType:
    """Load the corpora's own seeded data generator."""
    path = CORPUS / "make_data.py"
    if not path.exists():
        pytest.skip("the shared corpora are not beside this checkout")
    spec = importlib.util.spec_from_file_location("corpus_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def data_directory(path: Path, *, scale: float = 1.0, k: int = 10) -> Path:
    """Generate the corpora's data and policy into a directory; skips where they are absent."""
    generator = data_generator()
    import duckdb  # noqa: PLC0415 - only where the corpus is

    with duckdb.connect(str(path / "room.duckdb")) as connection:
        generator.build(connection, generator.gen(scale=scale))
    policy = json.loads(json.dumps(generator.POLICY))
    policy["units"] = {"person": {"k": k}, "user": {"k": k}}
    (path / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    return path


def _item(raw: dict[str, Any]) -> Item:
    return Item(
        id=raw["id"],
        kind=raw["class"],
        sql=raw["sql"],
        expected=raw["expected"],
        acceptable=tuple(raw.get("acceptable", ())),
        params=raw.get("params", {}),
    )


__all__ = ["CORPUS", "Item", "corpus_catalog", "data_directory", "data_generator", "load"]
