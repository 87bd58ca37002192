# SPDX-License-Identifier: Apache-2.0
"""Explain an admitted query to the people who are asked to sign it.

Text and JSON are two renderings of one structure, so they cannot disagree. It is
built from query, schema and policies alone: no data, no secret prefix, no SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cleanroom.admission.measures import bounds_of
from cleanroom.admission.tree import (
    AdmittedQuery,
    Aggregate,
    AggregateKind,
    Condition,
    Operand,
    Parameter,
    SourceColumn,
)
from cleanroom.contract.rules import Rules

_MEANING = {
    AggregateKind.COUNT_ROWS: "number of rows",
    AggregateKind.COUNT: "number of rows with a value in",
    AggregateKind.COUNT_DISTINCT: "number of distinct",
    AggregateKind.SUM: "sum of",
    AggregateKind.AVG: "average of",
}
_MEASURES = frozenset({AggregateKind.SUM, AggregateKind.AVG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The same content twice: plain words and JSON."""

    text: str
    data: Mapping[str, Any]


def explain(admitted: AdmittedQuery, *, rules: Rules) -> Explanation:
    """Say what a query reads, whom it counts, what it releases and under which rules."""
    data = {
        "reads": [
            {"dataset": lineage, "columns": list(columns)} for lineage, columns in admitted.columns
        ],
        "joins": [f"{join.earlier.reference} = {join.later.reference}" for join in admitted.joins],
        "filters": [_filter(condition) for condition in admitted.conditions],
        "parameters": list(admitted.parameters),
        "counts": [
            {"namespace": unit.namespace, "datasets": list(unit.datasets)}
            for unit in admitted.units
        ],
        "groups": [
            {
                "output": key.name,
                "source": key.source.reference,
                "role": key.source.column.role.value,
            }
            for key in admitted.keys
        ],
        "releases": [_release(aggregate) for aggregate in admitted.aggregates],
        "rules": _rules(rules),
    }
    return Explanation(text="\n".join(_lines(data)) + "\n", data=data)


def _filter(condition: Condition) -> str:
    operands = " and ".join(_operand(operand) for operand in condition.operands)
    return f"{condition.column.reference} {condition.comparison.value} {operands}".strip()


def _operand(operand: Operand) -> str:
    return f"${operand.name}" if isinstance(operand, Parameter) else repr(str(operand))


def _release(aggregate: Aggregate) -> dict[str, Any]:
    source = aggregate.source[0] if aggregate.source else None
    described: dict[str, Any] = {
        "output": aggregate.name,
        "type": str(aggregate.type),
        "is": _MEANING[aggregate.kind],
        "source": source.reference if source else "",
        "role": source.column.role.value if source else "",
        "clamped": "",
    }
    if source and aggregate.kind in _MEASURES:
        described["clamped"] = _bounds(source)
    return described


def _bounds(source: SourceColumn) -> str:
    lower, upper = bounds_of(source)
    return f"{lower} to {upper} {source.column.measured_in}".strip()


def _rules(rules: Rules) -> list[dict[str, str]]:
    if rules.public:
        return [{"rule": "public", "means": "every dataset is public; nothing is withheld"}]
    dominance = " and ".join(
        f"the {rule.largest} largest may not hold more than {rule.share} of a number"
        for rule in sorted(rules.dominance)
    )
    said = {
        "threshold": f"at least {rules.threshold} units of every kind behind each row",
        "support": f"at least {rules.threshold} units that contribute to each number",
        "splits": f"two numbers of a row differ in no unit or in at least {rules.threshold}",
        "dominance": dominance,
        "p-percent": f"no unit can be estimated to within {rules.p_percent} %",
        "non-modal": f"0 or at least {rules.threshold} units differ from the usual value",
        "difference": f"at least {rules.difference} units between any two rows ever released",
        "rounding": f"counts to multiples of {rules.round_counts}, "
        f"other numbers to {rules.significant_digits} significant digits",
    }
    return [{"rule": rule, "means": means} for rule, means in said.items()]


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    for section, write in _SECTIONS.items():
        for item in data[section]:
            yield write(item)


def _said(release: Mapping[str, Any]) -> str:
    words = f"{release['is']} {release['source']}".strip()
    return f"{words}, clamped to {release['clamped']}" if release["clamped"] else words


_SECTIONS: Mapping[str, Callable[[Any], str]] = {
    "reads": lambda read: (
        f"reads     {read['dataset']}: {', '.join(read['columns']) or 'rows only'}"
    ),
    "joins": lambda join: f"joins     {join}",
    "filters": lambda condition: f"filters   {condition}",
    "parameters": lambda name: f"parameter ${name}",
    "counts": lambda unit: (
        f"counts    distinct {unit['namespace']} of {', '.join(unit['datasets'])}"
    ),
    "groups": lambda group: f"groups    {group['output']}: {group['source']} ({group['role']})",
    "releases": lambda item: f"releases  {item['output']} ({item['type']}): {_said(item)}",
    "rules": lambda rule: f"rule      {rule['rule']}: {rule['means']}",
}
