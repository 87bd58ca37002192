# SPDX-License-Identifier: Apache-2.0
"""Explain an admitted Python analysis to the people who are asked to sign it.

Everything said follows from document, schema and policies. Of the code nothing is said:
whoever signs has to read it, and most of all where its support is its own word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cleanroom.admission.analysis import AdmittedAnalysis
from cleanroom.admission.explain import Explanation, rules_said
from cleanroom.contract.analysis import REVIEWED, FrameAggregate, PythonAnalysis
from cleanroom.contract.rules import Rules

_SAID = {"count": "number of units with a value of", "sum": "sum of", "avg": "average of"}
_REVIEWED = (
    "SUPPORT ASSERTED BY CODE: the code sees every row of every unit at once; who is behind a "
    "number is its word alone, so read it"
)
_MAPPED = (
    "the code maps one unit at a time: units are split at random, computed apart, and rows that "
    "depend on who else is there stop the run"
)


def explain_analysis(admitted: AdmittedAnalysis, *, kind: str, rules: Rules) -> Explanation:
    """Say what an analysis is given, whom it speaks for, what is released under which rules."""
    analysis = admitted.analysis
    data = {
        "kind": kind,
        "means": _REVIEWED if kind == REVIEWED else _MAPPED,
        "reads": [
            {
                "dataset": item.lineage,
                "columns": [given.column.name for given in item.columns],
                "types": [str(given.type) for given in item.columns],
                "units": bool(item.unit),
            }
            for item in admitted.inputs
        ],
        "speaks_for": analysis.unit,
        "groups": [
            {"output": group.name, "values": [str(value) for value in group.values]}
            for group in analysis.groups
        ],
        "numbers": [
            {"output": item.name, "is": _aggregate(item, analysis)} for item in analysis.aggregates
        ],
        "statistics": [
            {"output": item.name, "class": item.statistic_class, "digits": item.digits}
            for item in analysis.statistics
        ],
        "environment": str(analysis.environment),
        "rules": _rules(analysis, rules),
    }
    return Explanation(text="\n".join(_lines(data)) + "\n", data=data)


def _rules(analysis: PythonAnalysis, rules: Rules) -> list[dict[str, str]]:
    """Say which rules are applied; to a number that code hands over most cannot be."""
    said = rules_said(rules)
    if not analysis.statistics:
        return said
    claimed = {
        "rule": "support-asserted-by-code",
        "means": f"withheld unless the code claims at least {rules.threshold} units",
    }
    return [claimed, *(rule for rule in said if rule["rule"] == "rounding")]


def _aggregate(item: FrameAggregate, analysis: PythonAnalysis) -> str:
    for measure in analysis.measures:
        if measure.name == item.column:
            said = _SAID[item.function.value]
            return f"{said} {measure.name}, clamped to {measure.lower} to {measure.upper}"
    return "number of units"


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"kind      {data['kind']}: {data['means']}"
    for read in data["reads"]:
        units = "" if read["units"] else " (public, no units)"
        columns = [
            f"{name} {kind}" for name, kind in zip(read["columns"], read["types"], strict=True)
        ]
        yield f"gives     {read['dataset']}: {', '.join(columns) or 'units only'}{units}"
    yield f"counts    units of {data['speaks_for']}, in one row each"
    for group in data["groups"]:
        yield f"groups    {group['output']}: one of {', '.join(group['values'])}"
    for number in data["numbers"]:
        yield f"releases  {number['output']}: {number['is']}"
    for item in data["statistics"]:
        yield f"releases  {item['output']}: {item['class']}, {item['digits']} digits, on its word"
    yield f"runs in   environment {data['environment']}"
    for rule in data["rules"]:
        yield f"rule      {rule['rule']}: {rule['means']}"
