# SPDX-License-Identifier: Apache-2.0
import re
from dataclasses import replace
from fractions import Fraction

import pytest

from cleanroom.contract.analysis import (
    PER_UNIT,
    REVIEWED,
    AnalysisFunction,
    FrameAggregate,
    GroupColumn,
    MeasureColumn,
    PythonAnalysis,
    SqlAnalysis,
    Statistic,
)
from cleanroom.contract.document_render import render_query
from cleanroom.contract.query import CodeFile, OutputColumn, parse_query
from cleanroom.contract.types import ColumnType
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.standard_terms import standard_query

TABLE = PythonAnalysis(
    entry_point="cohort",
    environment=Digest.of(b"lock"),
    unit="hospital.encounters",
    groups=(
        GroupColumn(name="band", type=ColumnType("string"), values=("young", "old")),
        GroupColumn(name="since", type=ColumnType("date"), values=("2026-01-31",)),
        GroupColumn(name="stage", type=ColumnType("integer"), values=(1, 2)),
    ),
    measures=(
        MeasureColumn(
            name="days", type=ColumnType("integer"), lower=Fraction(0), upper=Fraction(365)
        ),
    ),
    aggregates=(
        FrameAggregate(name="n", function=AnalysisFunction.COUNT, column=""),
        FrameAggregate(name="days_known", function=AnalysisFunction.COUNT, column="days"),
        FrameAggregate(name="mean_days", function=AnalysisFunction.AVG, column="days"),
    ),
    statistics=(),
)
NUMBERS = replace(
    TABLE,
    groups=(),
    measures=(),
    aggregates=(),
    statistics=(Statistic(name="odds", statistic_class="calculated-ratios", digits=3),),
)


def terms(analysis=TABLE, kind=PER_UNIT):
    return replace(
        standard_query(),
        kind=kind,
        code=(CodeFile(file="cohort.py", digest=Digest.of(b"code")),),
        output=tuple(OutputColumn(name=name, type=kind_) for name, kind_ in analysis.output),
        analysis=analysis,
    )


def refusal(text, old, new):
    assert re.search(old, text), "the change must change something"
    with pytest.raises(MalformedError) as refused:
        parse_query(re.sub(old, new, text, count=1).encode())
    return refused.value


@pytest.mark.parametrize(("analysis", "kind"), [(TABLE, PER_UNIT), (NUMBERS, REVIEWED)])
def test_a_python_query_is_written_and_read_back(analysis, kind):
    written = terms(analysis, kind)
    assert parse_query(render_query(written)).analysis == analysis


def test_an_sql_query_has_no_python_clause():
    assert parse_query(render_query(standard_query())).analysis == SqlAnalysis()


def test_the_output_follows_from_the_analysis():
    assert [(name, str(kind)) for name, kind in TABLE.output] == [
        ("band", "string"),
        ("since", "date"),
        ("stage", "integer"),
        ("n", "integer"),
        ("days_known", "integer"),
        ("mean_days", "double"),
    ]
    assert NUMBERS.output == (("odds", "double"),)


# One change each: what is changed, and the code of the refusal.
CHANGES = {
    "a value twice": (r'"young", "old"', '"young", "young"', "query.duplicate"),
    "a value of another type": (r'"young"', "3", "query.python-value"),
    "true is no integer": (r"\[1, 2\]", "[true]", "query.type"),
    "no day": ("2026-01-31", "2026-02-30", "query.python-value"),
    "another way to write a day": ("2026-01-31", "20260131", "query.python-value"),
    "no domain": (r'\["young", "old"\]', "[]", "query.value"),
    "a measure of text": ('name = "days"\ntype = "integer"', 'name = "days"\ntype = "string"',
                          "query.type"),
    "bounds the wrong way": ('lower = "0"', 'lower = "365"', "query.python-bounds"),
    "no bounds": ('lower = "0"\n', "", "query.missing"),
    "an average of nothing": (r'function = "avg"\ncolumn = "days"', 'function = "avg"',
                              "query.python-aggregate"),
    "an unknown measure": (r'"avg"\ncolumn = "days"', '"avg"\ncolumn = "band"',
                           "query.python-aggregate"),
    "an unknown function": ('"avg"', '"max"', "query.value"),
    "a column twice": ('name = "days"\ntype', 'name = "band"\ntype', "query.duplicate"),
    "an output twice": ('name = "mean_days"\nfunction', 'name = "n"\nfunction', "query.duplicate"),
    "a foreign unit": ('unit = "hospital.encounters"', 'unit = "hospital.other"',
                       "query.python-unit"),
    "SQL code": ("cohort.py", "cohort.sql", "query.code"),
    "another output": (r'name = "n"\ntype = "integer"', 'name = "n"\ntype = "double"',
                       "query.python-output"),
    "the clause in an SQL query": ('kind = "python_per_unit"', 'kind = "sql"', "query.unknown-key"),
    "a list of kinds": ('kind = "python_per_unit"', 'kind = ["sql"]', "query.value"),
    "an unknown clause": (r"entry_point", 'more = "x"\nentry_point', "query.unknown-key"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_one_wrong_clause_is_refused_by_name(name):
    old, new, code = CHANGES[name]
    text = render_query(terms()).decode()
    assert refusal(text, old, new).code == code


def test_per_unit_code_hands_over_no_numbers_of_its_own():
    """T-08: a number that code computed over many people has support on its word alone."""
    text = render_query(terms(NUMBERS, REVIEWED)).decode()
    assert refusal(text, REVIEWED, PER_UNIT).code == "query.python-statistics"


def test_a_table_and_statistics_are_two_queries():
    both = replace(TABLE, statistics=NUMBERS.statistics)
    with pytest.raises(MalformedError) as refused:
        parse_query(render_query(terms(both, REVIEWED)))
    assert refused.value.code == "query.python-release"


def test_an_analysis_that_releases_nothing_is_refused():
    nothing = replace(TABLE, aggregates=())
    written = replace(terms(nothing), output=terms().output)
    with pytest.raises(MalformedError) as refused:
        parse_query(render_query(written))
    assert refused.value.code == "query.python-release"


@pytest.mark.parametrize("kind", [PER_UNIT, REVIEWED])
def test_a_python_query_without_its_clause_is_refused(kind):
    written = replace(terms(kind=kind), analysis=SqlAnalysis())
    with pytest.raises(MalformedError) as refused:
        parse_query(render_query(written))
    assert refused.value.code == "query.missing"


@pytest.mark.parametrize(
    ("kind", "lower", "upper", "scale", "values"),
    [
        ("integer", "0", "365", 0, (0, 365)),
        ("integer", "1/2", "7/2", 0, (1, 3)),
        ("decimal(12,2)", "0", "20000", 2, (0, 2_000_000)),
        ("double", "0", "365", 4, (0, 3_650_000)),
        ("double", "-1", "1", 6, (-1_000_000, 1_000_000)),
        ("double", "0", "1/1000", 9, (0, 1_000_000)),
        ("double", "0", "123456789", 0, (0, 123_456_789)),
        ("double", "0", "1/1000000000000", 15, (0, 1000)),
    ],
)
def test_a_measure_is_kept_on_a_grid(kind, lower, upper, *, scale, values):
    measure = MeasureColumn(
        name="m", type=ColumnType(kind), lower=Fraction(lower), upper=Fraction(upper)
    )
    assert (measure.scale, measure.range) == (scale, values)


@pytest.mark.parametrize(
    "bounds", [("1/5", "4/5"), ("0", "10000000000000000"), ("-10000000000000000", "0")]
)
def test_bounds_hold_a_value_and_leave_exact_sums(bounds):
    text = render_query(terms()).decode()
    text = text.replace('lower = "0"\nupper = "365"', 'lower = "{}"\nupper = "{}"'.format(*bounds))
    assert bounds[1] in text
    with pytest.raises(MalformedError) as refused:
        parse_query(text.encode())
    assert refused.value.code == "query.python-bounds"
