# SPDX-License-Identifier: Apache-2.0
"""What an analyst proposes, before anything looked at it; loading this loads no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.contract.query import Parameter
from cleanroom.contract.resources import Resources
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What an analyst proposes.

    Attributes:
        name: Name of the query in the room.
        code: The SQL text, exactly as it will be signed.
        parameters: Parameters with their whole domains.
        receivers: Who may receive results; empty means the author alone.
        resources: What one run may spend.
    """

    name: str
    code: bytes
    parameters: Mapping[str, Parameter]
    receivers: frozenset[str]
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisProposal:
    """A Python analysis that an analyst proposes.

    Attributes:
        name: Name of the query in the room.
        code: The Python text, exactly as it will be signed.
        kind: ``python_per_unit`` or ``python_reviewed``.
        datasets: Columns that the code is given, by lineage.
        analysis: What it hands over and what is released of it.
        parameters: Parameters with their whole domains.
        receivers: Who may receive results; empty means the author alone.
        resources: What one run may spend.
    """

    name: str
    code: bytes
    kind: str
    datasets: Mapping[str, tuple[str, ...]]
    analysis: PythonAnalysis
    parameters: Mapping[str, Parameter]
    receivers: frozenset[str]
    resources: Resources


Proposed: TypeAlias = Proposal | AnalysisProposal
