# SPDX-License-Identifier: Apache-2.0
"""Explain an admitted query to the people who are asked to sign it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cleanroom.admission.tree import AdmittedQuery
from cleanroom.contract.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The same content twice: plain words and JSON."""

    text: str
    data: Mapping[str, Any]


def explain(admitted: AdmittedQuery, *, rules: Rules) -> Explanation:
    """Say what a query reads, whom it counts, what it releases and under which rules."""
    raise NotImplementedError
