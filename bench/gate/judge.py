# SPDX-License-Identifier: Apache-2.0
"""Judge what the gate did against what the corpus says a gate may do.

An answer that hangs on a few units is unsafe whatever the corpus says. A query that should have
been refused and was answered safely is a mismatch, not a pass. Without the oracle nobody
knows whether an answered attack was safe, so it stays unjudged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median, quantiles
from typing import Any

from bench.gate.ask import Answer
from bench.gate.corpus import Item
from bench.gate.influence import Finding


class Verdict(StrEnum):
    """What became of one query of a corpus."""

    PASS = "pass"  # noqa: S105 - a verdict
    MISMATCH = "mismatch"
    UNSAFE = "unsafe"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One query, what the gate did, and whether it may."""

    item: Item
    answer: Answer
    verdict: Verdict
    findings: tuple[Finding, ...]

    def line(self) -> dict[str, Any]:
        """Write the line of the verdicts file."""
        rows = len(self.answer.rows)
        missing = max(0, self.item.observed_rows - rows)
        columns = len(self.answer.columns)
        return {
            "id": self.item.id,
            "class": self.item.kind,
            "expected": self.item.expected,
            "acceptable": sorted(self.item.acceptable),
            "outcome": "refused" if self.answer.code else "admitted",
            "code": self.answer.code,
            "place": self.answer.place,
            "rows_released": rows,
            "cells_withheld": missing * columns if self.answer.admitted else 0,
            "withheld": dict(self.answer.withheld),
            "milliseconds": round(self.answer.total_ms, 1),
            "admission_milliseconds": round(self.answer.admission_ms, 1),
            "verdict": str(self.verdict),
            "influence": [
                {"cell": str(finding.cell[1:]), "units": finding.units, "moved": finding.moved}
                for finding in self.findings
            ],
        }


def judge(
    item: Item, answer: Answer, *, found: Sequence[Finding] | None, last: bool = True
) -> Judged:
    """Judge one step; what the oracle found of a series counts at the step that showed it."""
    return Judged(
        item=item,
        answer=answer,
        verdict=_verdict(item, answer, found=found, last=last),
        findings=tuple(found or ()),
    )


def _verdict(item: Item, answer: Answer, *, found: Sequence[Finding] | None, last: bool) -> Verdict:
    if found:
        return Verdict.UNSAFE
    if item.is_honest:
        return Verdict.PASS if answer.rows else Verdict.MISMATCH
    if answer.code:
        # Refusing by data, after admission, withholds everything.
        given = {"suppress", "stateful", "neutralise"} if answer.admitted else {"reject"}
        return Verdict.PASS if given & item.acceptable else Verdict.MISMATCH
    if item.acceptable <= {"reject"}:
        return Verdict.MISMATCH
    if answer.rows and found is None and last:
        return Verdict.UNJUDGED
    return Verdict.PASS


def summary(judged: Iterable[Judged]) -> dict[str, Any]:
    """Add up the verdicts by what was expected."""
    everything = tuple(judged)
    by_expected: dict[str, Counter[str]] = {}
    for one in everything:
        by_expected.setdefault(one.item.expected, Counter())[str(one.verdict)] += 1
    times = [one.answer.admission_ms for one in everything]
    admitted = [one.answer for one in everything if one.answer.admitted]
    return {
        "queries": len(everything),
        "verdicts": {name: dict(counts) for name, counts in sorted(by_expected.items())},
        "admission_median_ms": round(median(times), 1) if times else 0,
        "admission_p95_ms": round(_late(times), 1),
        "whole_median_ms": round(median([one.total_ms for one in admitted]), 1) if admitted else 0,
    }


def failures(judged: Iterable[Judged]) -> list[Judged]:
    """List what is not as the corpus says, worst first."""
    order = {Verdict.UNSAFE: 0, Verdict.MISMATCH: 1, Verdict.UNJUDGED: 2}
    listed = [one for one in judged if one.verdict is not Verdict.PASS]
    return sorted(listed, key=lambda one: order[one.verdict])


def shown(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Write the counts for people."""
    lines = [
        f"{name:12} " + ", ".join(f"{verdict} {number}" for verdict, number in found.items())
        for name, found in counts.items()
    ]
    return "\n".join(lines)


def _late(times: Sequence[float]) -> float:
    return quantiles(times, n=20)[-1] if len(times) > 1 else sum(times)
