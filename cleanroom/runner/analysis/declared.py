# SPDX-License-Identifier: Apache-2.0
"""Read what an analyst declares about a script: the part of a query document that is theirs.

The file is ``kind``, ``[[datasets]]`` and ``[python]`` of ``query.toml``; whoever submits it
adds names, digests and what follows from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.analysis import PythonAnalysis, PythonWire, read_analysis
from cleanroom.contract.query import UsedDatasetWire
from cleanroom.contract.wire import read_document, unique
from cleanroom.kernel.limits import MAX_CONTRACT_DATASETS, MAX_QUERY_BYTES
from cleanroom.kernel.strict_toml import parse_toml
from cleanroom.kernel.wire_model import WireModel
from cleanroom.runner.analysis.environment import environment_digest

FORMAT = "cleanroom.analysis.v0"
_KIND = "analysis"
_LISTS = ("groups", "measures", "aggregates", "statistics")


class AnalysisWire(WireModel):
    """The file beside a script."""

    format: Literal["cleanroom.analysis.v0"]
    kind: Literal["python_per_unit", "python_reviewed"]
    datasets: Annotated[
        list[UsedDatasetWire], Field(min_length=1, max_length=MAX_CONTRACT_DATASETS)
    ]
    python: PythonWire


def read_declared(
    data: bytes, *, what: str
) -> tuple[str, dict[str, tuple[str, ...]], PythonAnalysis]:
    """Return kind, columns by lineage and analysis.

    The environment is the one that is installed here unless the file names another one, and a
    list that is left out is empty.

    Raises:
        MalformedError: Not such a file, or one that contradicts itself.
    """
    document = parse_toml(data, what=what, limit=MAX_QUERY_BYTES)
    python = document.get("python")
    if isinstance(python, dict):
        empty: dict[str, object] = {name: [] for name in _LISTS}
        document["python"] = {**empty, "environment": str(environment_digest()), **python}
    wire = read_document(AnalysisWire, document, what=what, kind=_KIND)
    unique((used.lineage for used in wire.datasets), what=what, clause="datasets", kind=_KIND)
    analysis = read_analysis(wire.python, kind=wire.kind, what=what)
    return wire.kind, {used.lineage: tuple(used.columns) for used in wire.datasets}, analysis
