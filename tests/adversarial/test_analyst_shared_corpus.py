# SPDX-License-Identifier: Apache-2.0
"""T-08, T-10, T-11, T-12: every attack of the shared corpus, where it lies beside the checkout."""

from __future__ import annotations

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.refusal import QueryRefusedError
from cleanroom.contract.types import ParameterType
from tests.support.gate_corpus import corpus_catalog, data_generator, load
from tests.support.gate_runs import run_gates

CATALOG = corpus_catalog()
ATTACKS = load("attacks.jsonl")
HONEST = load("legit.jsonl")
# The largest share that one person may have of a released cell in the corpus' data.
RARE = ("99950", "HYPERBARIC", "BURNS", "Z99.CANARY", "CMP-SOLO")


def declared(params):
    # A floating-point parameter has no type that a query document could declare.
    kinds = {str: ParameterType.STRING, int: ParameterType.INTEGER}
    return {name: kinds.get(type(value), ParameterType.STRING) for name, value in params.items()}


def admits(item) -> bool:
    try:
        admit(item.sql.encode(), catalog=CATALOG, parameters=declared(item.params))
    except QueryRefusedError as error:
        assert error.hint
        return False
    return True


@pytest.fixture(scope="module")
def connection():
    generator = data_generator()
    import duckdb  # noqa: PLC0415 - only where the corpus is

    with duckdb.connect(":memory:", config={"threads": 1}) as made:
        generator.build(made, generator.gen())
        yield made


needs_corpus = pytest.mark.skipif(not ATTACKS, reason="no shared corpus beside this checkout")


# Others may run as well: the next test looks at what they release.
MUST_BE_REFUSED = [item for item in ATTACKS if item.acceptable == ("reject",)]


@needs_corpus
@pytest.mark.parametrize("item", MUST_BE_REFUSED, ids=lambda item: item.id)
def test_an_attack_that_must_be_refused_is_refused(item):
    assert not admits(item)


@needs_corpus
@pytest.mark.parametrize(
    "item", [item for item in ATTACKS if admits(item)], ids=lambda item: item.id
)
def test_an_attack_that_runs_releases_nothing_rare(item, connection):
    released = run_gates(connection, item.sql, catalog=CATALOG, parameters=item.params)
    for row in released.rows:
        assert not set(RARE) & set(map(str, row))
        # The difference of a number and an earlier answer that it repeats is nothing.
        repeats = any(names for stage in released.stages for names in stage.earlier)
        assert repeats or all(value is None or value is False or value != 0 for value in row)
    if any(name in item.sql for name in RARE) and "<>" not in item.sql:
        assert released.rows == ()


@needs_corpus
def test_the_second_step_of_a_differencing_attack_gets_the_first_answer(connection):
    first = run_gates(
        connection, "SELECT avg(los), count(los) FROM hospital.encounters", catalog=CATALOG
    )
    second = run_gates(
        connection,
        "SELECT avg(los), count(los) FROM hospital.encounters WHERE dx <> 'Z99.CANARY'",
        catalog=CATALOG,
        history=first.tables,
    )
    assert first.rows
    assert second.rows == first.rows
    assert second.earlier == (tuple(column.name for column in second.columns),)


@needs_corpus
@pytest.mark.slow  # how many are answered in all is among the quick tests of both gates
def test_honest_queries_of_the_first_gates_kind_are_answered(connection):
    answered = 0
    for item in HONEST:
        if admits(item):
            rows = run_gates(connection, item.sql, catalog=CATALOG, parameters=item.params).rows
            assert rows, item.id
            answered += 1
    assert answered >= 11
