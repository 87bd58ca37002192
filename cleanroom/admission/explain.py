# SPDX-License-Identifier: Apache-2.0
"""Explain an admitted query to the people who are asked to sign it.

Text and JSON are two renderings of one structure, so they cannot disagree. It is
built from query, schema and policies alone: no data, no secret prefix, no SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from cleanroom.admission.typed.columns import everything
from cleanroom.admission.typed.expr import TRUE
from cleanroom.admission.typed.plain_words import Words
from cleanroom.admission.typed.relation import Filter, Join, LookUp, Match
from cleanroom.admission.typed.tree import (
    AdmittedQuery,
    Aggregate,
    AggregateKind,
    ArgumentKind,
    Grouping,
    Key,
    Origin,
    SourceColumn,
    Stage,
    UnitColumn,
)
from cleanroom.contract.rules import Rules
from cleanroom.kernel.record import dataclass

_PART = {Key: "group", Aggregate: "number", Grouping: "grouping", type(None): "rows"}
_MEANING = {
    AggregateKind.COUNT_ROWS: "number of rows",
    AggregateKind.COUNT: "number of rows with a value in",
    AggregateKind.COUNT_DISTINCT: "number of distinct",
    AggregateKind.SUM: "sum of",
    AggregateKind.AVG: "average of",
}


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
        "parameters": list(admitted.parameters),
        "releases": [_stage(number, stage) for number, stage in enumerate(admitted.stages, 1)],
        "outputs": [
            {
                "output": item.name,
                "type": str(item.type),
                "sources": _sources(item.sources),
                "releases": [_origin(origin, admitted.stages, rules) for origin in item.origins],
            }
            for item in admitted.output
        ],
        "after": _after(admitted),
        "needs": list(admitted.grants),
        "rules": rules_said(rules),
    }
    return Explanation(text="\n".join(_lines(data)) + "\n", data=data)


def _stage(number: int, stage: Stage) -> dict[str, Any]:
    words = Words(stage.base)
    return {
        "release": number,
        "joins": [line for item in everything(stage.base) if (line := _join(item, words))],
        "filters": [
            words.of(item.condition) for item in everything(stage.base) if isinstance(item, Filter)
        ],
        "counts": [_unit(unit, words) for unit in stage.units],
        "groups": [
            {"output": key.name, "is": words.of(key.expr), "sources": _sources(key.sources)}
            for key in stage.keys
        ],
        "numbers": [_number(item, stage, words) for item in stage.aggregates],
        "tells_apart": [
            {"output": item.name, "of": [stage.keys[key].name for key in item.keys]}
            for item in stage.groupings
        ],
        "sets": _sets(stage),
        "splits": [words.of(branch) for branch in stage.branches],
        "empty_cells": _may_be_empty(stage, words),
        "reads_releases": [source + 1 for source in stage.inputs],
    }


def _may_be_empty(stage: Stage, words: Words) -> list[str]:
    """List columns whose empty cells leave a row out of one number and not of another.

    Whether there are any depends on data and is not asked: every column that numbers are
    made of is listed, unless the query itself leaves out rows without it.
    """
    several = len(stage.aggregates) > 1 and not stage.public
    filters = {words.of(it.condition) for it in everything(stage.base) if isinstance(it, Filter)}
    made_of = {
        source.reference for item in stage.aggregates if item.arguments for source in item.sources
    }
    return sorted(name for name in made_of if several and f"{name} is not null" not in filters)


def _sets(stage: Stage) -> list[str]:
    if len(stage.grouping_sets) == 1:
        return []
    return [
        ", ".join(stage.keys[key].name for key in chosen) or "all rows together"
        for chosen in stage.grouping_sets
    ]


def _origin(origin: Origin, stages: Sequence[Stage], rules: Rules) -> dict[str, Any]:
    """Say of which part of which release an output is made, whom it counts, what is checked."""
    stage = stages[origin.stage]
    part = None if origin.part < 0 else stage.parts[origin.part]
    return {
        "release": origin.stage + 1,
        "is": _PART[type(part)],
        "part": part.name if part else "",
        "counts": [f"{unit.namespace} of {' and '.join(unit.datasets)}" for unit in stage.units],
        "rules": [] if rules.public or stage.public else _checked(part, stage),
    }


def _checked(part: Key | Aggregate | Grouping | None, stage: Stage) -> list[str]:
    """List the rules: a row must pass some to be there, and each of its numbers all."""
    if isinstance(part, Grouping):
        return []
    if not isinstance(part, Aggregate):
        return ["threshold", "splits", "difference"]
    kinds = {stage.arguments[index].kind for index in part.arguments}
    usual = ["non-modal"] if ArgumentKind.MEASURE in kinds else []
    rules = ["threshold", "support", "splits", "dominance", "p-percent"]
    return [*rules, *usual, "difference", "rounding"]


def _join(item: object, words: Words) -> str:
    match item:
        case Join():
            condition = "" if item.condition == TRUE else words.of(item.condition)
            return f"{item.kind.value.lower()} join on {condition}"
        case LookUp():
            return "look-up of " + " and ".join(words.of(expr) for expr, _ in item.equalities)
        case Match():
            return f"{item.kind.value} join by key"
        case _:
            return ""


def _unit(unit: UnitColumn, words: Words) -> dict[str, Any]:
    return {
        "namespace": unit.namespace,
        "owner": unit.owner,
        "by": words.of(unit.column),
        "datasets": list(unit.datasets),
    }


def _number(aggregate: Aggregate, stage: Stage, words: Words) -> dict[str, Any]:
    arguments = [stage.arguments[index] for index in aggregate.arguments]
    clamped = [
        f"{_shown(item.grid.lower)} to {_shown(item.grid.upper)}"
        for item in arguments
        if item.kind is ArgumentKind.MEASURE
    ]
    of = [words.of(item.expr) for item in arguments]
    if aggregate.unit >= 0:
        of = [words.of(stage.units[aggregate.unit].column)]
    return {
        "output": aggregate.name,
        "type": str(aggregate.type),
        "is": _MEANING.get(aggregate.kind, f"{aggregate.kind.value} of"),
        "of": ", ".join(of),
        "sources": _sources(aggregate.sources),
        "clamped": ", ".join(clamped),
    }


def _shown(bound: Decimal) -> str:
    return f"{bound.normalize():f}"


def _sources(sources: Sequence[SourceColumn]) -> list[dict[str, str]]:
    return [{"column": source.reference, "role": source.column.role.value} for source in sources]


def _after(admitted: AdmittedQuery) -> str:
    if admitted.post.identity:
        return "nothing: the released table is the result"
    listed = ", ".join(str(number + 1) for number in admitted.post.inputs)
    return f"the result is computed from the released values of release {listed}"


def rules_said(rules: Rules) -> list[dict[str, str]]:
    """Say every output rule in plain words."""
    if rules.public:
        return [{"rule": "public", "means": "every dataset is public; nothing is withheld"}]
    dominance = " and ".join(
        f"the {rule.largest} largest may not hold more than {rule.share} of a number"
        for rule in sorted(rules.dominance)
    )
    said = {
        "threshold": f"at least {rules.threshold} units of every kind behind each row",
        "support": f"at least {rules.threshold} units that contribute to each number",
        "splits": f"two numbers of a row differ in no unit or in at least {rules.threshold}, and "
        f"every condition inside a number holds for none or at least {rules.threshold} units, "
        "and fails for none or as many",
        "dominance": dominance,
        "p-percent": f"no unit can be estimated to within {rules.p_percent} %",
        "non-modal": f"0 or at least {rules.threshold} units differ from the usual value",
        "difference": f"at least {rules.difference} units between any two rows ever released",
        "rounding": f"counts to multiples of {rules.round_counts}, "
        f"other numbers to {rules.significant_digits} significant digits",
    }
    return [{"rule": rule, "means": means} for rule, means in said.items()]


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    for read in data["reads"]:
        yield f"reads     {read['dataset']}: {', '.join(read['columns']) or 'rows only'}"
    for name in data["parameters"]:
        yield f"parameter ${name}"
    for stage in data["releases"]:
        yield from _stage_lines(stage, numbered=len(data["releases"]) > 1)
    for output in data["outputs"]:
        sources = ", ".join(f"{item['column']} ({item['role']})" for item in output["sources"])
        yield f"output    {output['output']} ({output['type']}): from {sources or 'rows only'}"
        yield from (_behind(origin) for origin in output["releases"])
    yield f"after     {data['after']}"
    for grant in data["needs"]:
        yield f"needs     {grant}"
    for rule in data["rules"]:
        yield f"rule      {rule['rule']}: {rule['means']}"


def _behind(origin: Mapping[str, Any]) -> str:
    part = f" {origin['part']}" if origin["part"] else ""
    counted = " and ".join(origin["counts"]) or "nobody"
    checked = ", ".join(origin["rules"]) or "no rule"
    return (
        f"          {origin['is']}{part} of release {origin['release']}, "
        f"counting {counted}, under {checked}"
    )


def _stage_lines(stage: Mapping[str, Any], *, numbered: bool) -> Iterator[str]:
    if numbered:
        yield f"release {stage['release']}"
    for section, write in _SECTIONS.items():
        for item in stage[section]:
            yield write(item)


def _said(number: Mapping[str, Any]) -> str:
    words = f"{number['is']} {number['of']}".strip()
    return f"{words}, clamped to {number['clamped']}" if number["clamped"] else words


def _grouped(group: Mapping[str, Any]) -> str:
    roles = ", ".join(item["role"] for item in group["sources"]) or "computed"
    return f"groups    {group['output']}: {group['is']} ({roles})"


_SECTIONS: Mapping[str, Callable[[Any], str]] = {
    "reads_releases": lambda number: f"uses      the released table of release {number}",
    "joins": lambda join: f"joins     {join}",
    "filters": lambda condition: f"filters   {condition}",
    "counts": lambda unit: (
        f"counts    distinct {unit['namespace']} of {', '.join(unit['datasets'])} by {unit['by']}"
    ),
    "groups": _grouped,
    "sets": lambda keys: f"grouped   by {keys}",
    "tells_apart": lambda item: f"tells     {item['output']}: groupings of {', '.join(item['of'])}",
    "numbers": lambda item: f"releases  {item['output']} ({item['type']}): {_said(item)}",
    "splits": lambda condition: f"splits by {condition}",
    "empty_cells": lambda column: (
        f"empty     cells of {column} leave rows out of some numbers: where few people lack it, "
        f"the row is withheld (splits); WHERE {column.rpartition('.')[2]} IS NOT NULL keeps it"
    ),
}
