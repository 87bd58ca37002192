# SPDX-License-Identifier: Apache-2.0
"""The query child: rows, an error of the tree, or nothing, at every level of confinement."""

import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.resources import AS_QUERIED, Resources
from cleanroom.errors import (
    DisclosureRefusedError,
    IntegrityError,
    MalformedError,
    QueryFailedError,
)
from cleanroom.runner.child_job import NO_SPILL, DeclaredFact
from cleanroom.runner.compute import QueryChild, query_children, ready_child
from cleanroom.runner.inputs import QueryInputs
from cleanroom.runner.sandbox import outcome
from cleanroom.runner.sandbox.host import weaker
from cleanroom.runner.sandbox.process import ConfinedChild, confined_child
from tests.support.sandboxes import CONFINED, SMALL, confinement_or_skip, host, sealed_job
from tests.support.sealed_tables import encounters

SMALL_RUN = Resources(memory_mib=512, seconds=30, rows=100)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    return sealed_job(tmp_path_factory.mktemp("sealed"))


@pytest.fixture(params=[*SandboxLevel])
def confinement(request):
    return confinement_or_skip(request.param)


@pytest.fixture
def best():
    return host().best


def test_rows_come_back_exactly(sealed, confinement):
    table = encounters(3000).to_pandas().groupby("ward")["cost"].agg(["count", "sum"])
    assert sealed.run(confinement) == [
        (ward, int(row["count"]), int(row["sum"])) for ward, row in table.sort_index().iterrows()
    ]


def test_a_parameter_is_bound_and_never_becomes_text(sealed, best):
    asked = sealed.changed(
        sql="SELECT count(*) FROM hospital.encounters WHERE ward = $ward",
        parameters={"ward": "x' OR '1'='1"},
    )
    assert asked.run(best) == [(0,)]


TRUE = DeclaredFact(sql="SELECT count(*) > 0 FROM hospital.encounters", sentence="never said")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) < 0 FROM hospital.encounters",
        "SELECT NULL::BOOLEAN",
        "SELECT 1",
        "SELECT TRUE WHERE FALSE",
    ],
)
def test_a_declared_fact_that_does_not_hold_stops_the_query(sealed, best, sql):
    broken = DeclaredFact(sql=sql, sentence="hospital.encounters: found less, agreed more")
    asked = sealed.changed(facts=(TRUE, broken, TRUE))
    with pytest.raises(DisclosureRefusedError, match="^hospital.encounters: found less") as caught:
        asked.run(best)
    assert caught.value.code == "disclosure.declared"
    assert sealed.changed(facts=(TRUE, TRUE)).run(best) == sealed.run(best)


def test_a_damaged_part_stops_the_query_by_name(sealed, best, tmp_path):
    damaged = tmp_path / "damaged.part"
    data = bytearray(sealed.paths[0].read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(IntegrityError, match="hospital.encounters parts/1-00000.part"):
        sealed.run(best, instead={0: damaged})


def test_another_key_opens_nothing(sealed, best):
    (view,) = sealed.job.views
    with pytest.raises(IntegrityError):
        sealed.changed(views=(replace(view, key=b"x" * 32),)).run(best)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(ward AS INTEGER) FROM hospital.encounters",
        "SELECT error('cardiology')",
        "not sql",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT {'a': 1}",
    ],
)
def test_an_engine_failure_says_nothing_about_the_data(sealed, best, sql):
    with pytest.raises(QueryFailedError) as failed:
        sealed.changed(sql=sql).run(best)
    words = f"{failed.value} {failed.value.hint}"
    assert "cardiology" not in words
    assert "passwd" not in words
    assert failed.value.__context__ is None


def test_a_query_that_takes_too_long_is_stopped(sealed, confinement):
    # Reads a row at a time, so that time ends before memory does.
    endless = "SELECT count(*) FROM range(1000000000000000) WHERE range % 7 = 3"
    with pytest.raises(QueryFailedError) as failed:
        sealed.changed(sql=endless, seconds=1).run(confinement)
    assert failed.value.code == "engine.time"


def test_more_memory_than_agreed_is_named(sealed, confinement):
    greedy = "SELECT list(range) FROM range(1000000000)"
    with pytest.raises(QueryFailedError) as failed:
        sealed.changed(sql=greedy, memory_mib=64).run(confinement)
    assert failed.value.code == "engine.memory"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("half", MalformedError),
        ("untyped", MalformedError),
        ("foreign", QueryFailedError),
        ("raises", QueryFailedError),
        ("leaves", QueryFailedError),
    ],
)
def test_an_answer_of_another_form_is_never_rows(best, answer, error):
    with (
        confined_child("misbehaving", confinement=best, limits=SMALL, code=(CONFINED,)) as child,
        pytest.raises(error) as failed,
    ):
        QueryChild(child, QueryInputs(parts={}, spill=NO_SPILL, spill_bytes=0)).run(StandIn(answer))
    assert "secret" not in str(failed.value)


def test_a_child_that_did_not_confine_itself_is_told_nothing(sealed, tmp_path):
    heard = tmp_path / "heard"
    code = (
        "import pathlib, sys; print('hello, there', flush=True);"
        f" pathlib.Path({str(heard)!r}).write_bytes(sys.stdin.buffer.read())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    child = ConfinedChild(process)
    with pytest.raises(QueryFailedError) as failed:
        QueryChild(child, QueryInputs(parts={}, spill=NO_SPILL, spill_bytes=0)).run(sealed.job)
    process.stdin.close()
    process.wait()
    child.end()
    assert failed.value.code == outcome.SETUP
    assert heard.read_bytes() == b""


class StandIn:
    """A job that says what the child shall do instead."""

    seconds = 10

    def __init__(self, what):
        self.what = what

    def encode(self):
        return self.what.encode()


def running(sealed, stack, *, ready):
    """Run the job in the first child of a query, and return its rows and whether it waited."""
    (view,) = sealed.job.views
    descriptor = os.open(sealed.paths[0], os.O_RDONLY)
    stack.callback(os.close, descriptor)
    inputs = QueryInputs(parts={view.lineage: (descriptor,)}, spill=NO_SPILL, spill_bytes=0)
    started = query_children(
        inputs, confinement=host().best, resources=AS_QUERIED.within(SMALL_RUN), ready=ready
    )
    child = stack.enter_context(started).next()
    (number,) = child.inputs.parts[view.lineage]
    part = replace(view.parts[0], descriptor=number)
    rows = child.run(replace(sealed.job, views=(replace(view, parts=(part,)),)))
    return rows, not ready.is_alive


def test_a_child_that_waits_serves_the_first_statement(sealed, best):
    with ExitStack() as stack:
        rows, has_worked = running(sealed, stack, ready=stack.enter_context(ready_child(best)))
    assert rows == sealed.run(best)
    assert has_worked


def test_a_child_that_is_confined_otherwise_serves_nobody(sealed, best):
    with ExitStack() as stack:
        other = stack.enter_context(ready_child(weaker(best, SandboxLevel.PROCESS)))
        rows, has_worked = running(sealed, stack, ready=other)
    assert rows == sealed.run(best)
    assert not has_worked


def test_a_child_that_died_while_it_waited_is_replaced(sealed, best):
    with ExitStack() as stack:
        dead = stack.enter_context(ready_child(best))
        dead.end()
        rows, _ = running(sealed, stack, ready=dead)
    assert rows == sealed.run(best)
