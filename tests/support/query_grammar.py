# SPDX-License-Identifier: Apache-2.0
"""A grammar of queries over the test tables: most are honest, some ask for too much.

It knows nothing of what the gate admits, and reaches further than it: what is drawn is either
refused, or answered in a way that hangs on nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

DIMENSIONS = {
    "p": ("p.region", "p.sex", "p.smoker", "p.birth_year", "p.zip"),
    "e": ("e.ward", "e.dx", "e.admit_date"),
    "m": ("m.plan", "m.region"),
    "c": ("c.status", "c.cpt", "c.claim_date"),
}
MEASURES = {
    "p": ("p.birth_year",),
    "e": ("e.los", "e.cost"),
    "m": ("m.premium", "m.credit_score"),
    "c": ("c.amount", "c.paid"),
}
UNITS = {"p": "p.patient_id", "e": "e.patient_id", "m": "m.person_key", "c": "c.person_key"}
_SMOKERS = "e.patient_id IN (SELECT patient_id FROM hospital.patients WHERE smoker)"
FILTERS = {
    "p": ("p.region = 'north'", "p.zip <> '99950'", "p.sex IN ('F', 'M')", "p.birth_year < 1980",
          "NOT p.smoker", "p.smoker OR p.region = 'south'", "p.birth_year BETWEEN 1950 AND 1970"),
    "e": ("e.ward = 'cardio'", "e.los > 2", "e.dx <> 'Z99'", "e.cost <= 5000", "e.ward IS NULL",
          "e.admit_date >= DATE '2025-03-01'", _SMOKERS),
    "m": ("m.plan = 'gold'", "m.premium > 300", "m.region <> 'north'"),
    "c": ("c.status = 'paid'", "c.amount > 50", "c.cpt IN ('A')"),
}  # fmt: skip
SOURCES = {
    "p": "hospital.patients p",
    "e": "hospital.encounters e",
    "m": "insurer.members m",
    "c": "insurer.claims c",
}
LINKS = {
    ("p", "e"): "p.patient_id = e.patient_id",
    ("p", "m"): "p.person_key = m.person_key",
    ("p", "c"): "p.person_key = c.person_key",
    ("m", "c"): "m.person_key = c.person_key",
}
JOINS = ("JOIN", "JOIN", "JOIN", "LEFT JOIN", "SEMI JOIN", "ANTI JOIN", "FULL JOIN")
KEYS = ("{0}", "{0}", "upper({0}::VARCHAR)", "coalesce({0}::VARCHAR, 'none')")
ARGUMENTS = ("{0}", "{0}", "{0} * 2", "{0} + 1", "CASE WHEN {1} THEN {0} END",
             "CASE WHEN {1} THEN {0} ELSE 0 END", "coalesce({0}, 0)")  # fmt: skip
PAIRED = ("corr", "covar_pop", "regr_slope", "regr_count")
FUNCTIONS = ("sum", "sum", "avg", "avg", "count", "stddev_samp", "var_pop", "max", *PAIRED)
GROUPINGS = (
    "{0}", "{0}", "{0}", "ROLLUP ({0})", "CUBE ({0})", "GROUPING SETS (({0}), ())",
    "GROUPING SETS ({0})",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query and how many leading columns tell its rows apart."""

    sql: str
    keys: int


@st.composite
def aggregates(draw: st.DrawFn, tables: tuple[str, ...]) -> str:
    """Draw one number."""
    table = draw(st.sampled_from(tables))
    condition = draw(st.sampled_from([text for name in tables for text in FILTERS[name]]))
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return "count(*)"
    if kind == 1:
        return f"count(DISTINCT {UNITS[table]})"
    if kind == 2:
        return f"count(*) FILTER (WHERE {condition})"
    measure = draw(st.sampled_from(MEASURES[table]))
    argument = draw(st.sampled_from(ARGUMENTS)).format(measure, condition)
    others = [name for name in MEASURES[table] if name != measure]
    # A statistic of a column and itself is a constant: all that it tells is that its row is there.
    function = draw(st.sampled_from(FUNCTIONS if others else FUNCTIONS[: -len(PAIRED)]))
    if function in PAIRED:
        argument += f", {draw(st.sampled_from(others))}"
    return f"{function}({argument})"


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Draw one query over one or two tables."""
    tables, source = draw(_sources())
    dimensions = [name for table in tables for name in DIMENSIONS[table]]
    chosen = draw(st.lists(st.sampled_from(dimensions), max_size=2, unique=True))
    keys = [draw(st.sampled_from(KEYS)).format(name) for name in chosen]
    numbers = draw(st.lists(aggregates(tables), min_size=1, max_size=3, unique=True))
    conditions = [text for table in tables for text in FILTERS[table]]
    where = draw(st.lists(st.sampled_from(conditions), max_size=2, unique=True))
    groups = ", ".join(keys)
    grouping = draw(st.sampled_from(GROUPINGS)).format(groups)
    columns = [f"{text} AS k{place}" for place, text in enumerate(keys)]
    told = keys and grouping != groups
    columns += [f"GROUPING({groups}) AS g"] if told else []
    columns += [f"{text} AS n{place}" for place, text in enumerate(numbers)]
    sql = f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608 - a grammar
    if where:
        sql += " WHERE " + " AND ".join(f"({text})" for text in where)
    if keys:
        sql += f" GROUP BY {grouping}"
        sql += draw(st.sampled_from(("", "", "", " HAVING count(*) > 3", " ORDER BY n0 DESC")))
    return Query(sql=sql, keys=len(keys) + bool(told))


@st.composite
def _sources(draw: st.DrawFn) -> tuple[tuple[str, ...], str]:
    first = draw(st.sampled_from(sorted(SOURCES)))
    partners = [pair for pair in LINKS if first in pair]
    if draw(st.booleans()) or not partners:
        return (first,), _deferred(draw, first)
    pair = draw(st.sampled_from(partners))
    other = pair[0] if pair[1] == first else pair[1]
    join = draw(st.sampled_from(JOINS))
    text = f"{SOURCES[first]} {join} {SOURCES[other]} ON {LINKS[pair]}"
    half = join in {"SEMI JOIN", "ANTI JOIN"}
    return ((first,) if half else (first, other)), text


def _deferred(draw: st.DrawFn, table: str) -> str:
    """Read a table itself, or one row a person of it."""
    unit, measure = UNITS[table], MEASURES[table][0]
    if table not in {"e", "c"} or draw(st.integers(0, 3)):
        return SOURCES[table]
    others = ", ".join(
        f"max({name}) AS {name.partition('.')[2]}"
        for name in (*DIMENSIONS[table], *MEASURES[table])
        if name != measure
    )
    return (
        f"(SELECT {unit}, sum({measure}) AS {measure.partition('.')[2]}, {others} "  # noqa: S608
        f"FROM {SOURCES[table]} GROUP BY {unit}) {table}"
    )
