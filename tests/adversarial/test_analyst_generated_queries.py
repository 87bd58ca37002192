# SPDX-License-Identifier: Apache-2.0
"""T-08: whatever query a grammar makes, what it is answered hangs on nobody.

The oracle leaves one person out at a time and knows nothing of the rules. A released cell that
depends on one to k - 1 people is a leak, whichever way the query found.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from cleanroom.errors import CleanroomError
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Memo, run_gates
from tests.support.influence_oracle import Oracle
from tests.support.query_grammar import queries

K = 4
CATALOG = corpus_catalog(k=K)
# No grid that would hide a leak; but the last bits of a float hang on the order of the sums, and so
# on anybody: `corr(2 * x, x)` is 1 or the number before it.
FINE = {"round_counts": 1, "significant_digits": 13}
# Shrinking would run the oracle hundreds of times; the query is short as it is.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
# The same queries every time, so that a change is judged by what it changed. To look further:
# set derandomize to False, and run it as often as there is time.
OPTIONS = {"deadline": None, "phases": PHASES, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def oracle():
    data = health(people=18)
    made = Oracle(
        whole=data.connect(),
        neighbours={person: data.without(person).connect() for person in data.people},
    )
    yield made
    for connection in (made.whole, *made.neighbours.values()):
        connection.close()


def hangs_on_few(oracle, query):
    memo = Memo()

    def answer(connection):
        try:
            return run_gates(connection, query.sql, catalog=CATALOG, change=FINE, memo=memo).rows
        except CleanroomError:
            return ()

    if not answer(oracle.whole):
        return []
    subtotals = any(word in query.sql for word in ("ROLLUP", "CUBE", "GROUPING SETS"))
    found = oracle.findings(answer, keys=query.keys, k=K, subtotals=subtotals)
    return [each for each in found if not is_constant(oracle, answer, each)]


def is_constant(oracle, answer, finding):
    """Whether a number is the same wherever its row is there, as a slope of 1 may be.

    All that it tells is that a rule let its row pass, and dominance hangs on few by its nature:
    beside any other number, or a count, everybody in the row counts.
    """
    place = len(finding.key)
    rows = (row for world in oracle.neighbours.values() for row in answer(world))
    return len({row[place + finding.column] for row in rows if row[:place] == finding.key}) == 1


@given(query=queries())
@settings(max_examples=5, derandomize=True, **OPTIONS)
def test_a_generated_query_is_refused_or_safe(oracle, query):
    note(query.sql)
    assert hangs_on_few(oracle, query) == []


@pytest.mark.slow
@given(query=queries())
@settings(max_examples=300, derandomize=True, **OPTIONS)
def test_many_generated_queries_are_refused_or_safe(oracle, query):
    note(query.sql)
    assert hangs_on_few(oracle, query) == []
