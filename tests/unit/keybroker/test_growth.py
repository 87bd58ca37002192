# SPDX-License-Identifier: Apache-2.0
"""A decision does not take longer for what was released before, and counts all of it."""

import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from cleanroom.contract.state_chain import owners_of
from cleanroom.contract.statements import ALL_RECEIVERS
from cleanroom.keybroker import questions
from cleanroom.keybroker.state import BrokerState
from tests.support.brokers import ScriptedRunner, broker_bench, read_release
from tests.support.older_memories import as_version_one, as_version_three
from tests.support.room_documents import build_room

# What grows with every release or commit. Whoever recovers a broker asks for all commits.
GROWING = ("releases", "counts", "statements", "commits", "entries", "history")
ASKED_BY_NO_DECISION = (questions.COMMITS,)


def asked_questions():
    return {
        name: question
        for name, question in vars(questions).items()
        if isinstance(question, (sa.Select, sa.Delete))
        and not any(question is other for other in ASKED_BY_NO_DECISION)
    }


def plan_of(path, question):
    """Say how SQLite would find the answer."""
    compiled = question.compile(dialect=sqlite.dialect())
    with sqlite3.connect(path) as database:
        rows = database.execute(
            f"EXPLAIN QUERY PLAN {compiled}", [b""] * len(compiled.positiontup or ())
        ).fetchall()
    database.close()
    return [str(row[3]) for row in rows]


@pytest.mark.parametrize("name", asked_questions())
def test_no_question_of_a_decision_reads_what_grows_from_end_to_end(bench, name):
    plan = plan_of(bench.home("hospital") / "state.sqlite", asked_questions()[name])
    assert plan
    growing = [step for step in plan for table in GROWING if table in step.split()]
    assert not [step for step in growing if step.startswith("SCAN")]
    # Sorting is reading all of it as well.
    assert not (growing and [step for step in plan if "TEMP B-TREE" in step])


def test_a_question_that_counts_everything_would_be_noticed(bench):
    counting = sa.select(sa.func.count()).select_from(sa.table("releases"))
    plan = plan_of(bench.home("hospital") / "state.sqlite", counting)
    assert any(step.startswith("SCAN releases") for step in plan)


def release(bench, number, **changes):
    """Release another run of the contract; give what the statement says."""
    room = build_room(run={"run": f"run-number-{number:04}"}, **changes)
    request = ScriptedRunner(room=room, label=f"runner {number}").ask(bench)
    return read_release(room, "hospital", bench.brokers["hospital"].release(request))


def counted(said):
    """Give the uses and releases, which are all of one receiver here."""
    return said.uses.used, {count.receiver: count.used for count in said.releases}


@pytest.mark.parametrize("as_older", [as_version_one, as_version_three])
def test_what_an_older_memory_counted_is_counted_on(bench, as_older):
    before = [counted(release(bench, number)) for number in range(3)]
    receiver = next(iter(set(before[0][1]) - {ALL_RECEIVERS}))
    bench.close()
    as_older(bench.home("hospital") / "state.sqlite")
    bench.open("hospital")
    found = [*before, *(counted(release(bench, number)) for number in range(3, 5))]
    assert found == [(used, {receiver: used, ALL_RECEIVERS: used}) for used in range(1, 6)]
    bench.close()
    with closing(BrokerState(bench.home("hospital"))) as state, state.look() as standing:
        assert [owners_of(together) for together in standing.touched_together()] == [
            ("hospital", "insurer")
        ]


@pytest.mark.parametrize(
    "taken",
    [
        "UPDATE releases SET position = 1",
        "UPDATE counts SET position = 1",
    ],
)
def test_a_position_is_taken_once(bench, taken):
    for number in range(2):
        release(bench, number)
    database = sqlite3.connect(bench.home("hospital") / "state.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(taken)
    database.close()


MANY = 2_000
TERMS = {
    "contract": {"max_runs": 10 * MANY},
    "policies": {
        "hospital.patients": {"releases_per_receiver": 10 * MANY, "releases_total": 10 * MANY}
    },
    "query": {"datasets": {"hospital.patients": ("sex",), "insurer.members": ("plan",)}},
}
FILLED = """
CREATE TEMP TABLE more AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < 2000) SELECT i, i + (SELECT max(number) FROM statements) AS number FROM n;
INSERT INTO statements SELECT more.number, leaf, envelope FROM more, statements AS s
    WHERE s.number = 0;
INSERT INTO releases SELECT 'other-run-' || i, runtime_data, more.number,
    CAST('other nonce ' || i AS BLOB), contract, touched, expires, released_at, position + i
    FROM more, releases AS r WHERE r.position = (SELECT max(position) FROM releases);
INSERT INTO counts SELECT lineage, receiver, position + i, more.number FROM more, counts AS c
    WHERE c.position = (SELECT max(position) FROM counts);
"""


class Steps:
    """Instructions of SQLite's machine, on every connection while it listens."""

    def __init__(self):
        self.taken = 0

    def __enter__(self):
        sa.event.listen(sa.pool.Pool, "connect", self._watch)
        return self

    def __exit__(self, *_):
        sa.event.remove(sa.pool.Pool, "connect", self._watch)

    def _watch(self, connection, _record):
        connection.set_progress_handler(self._step, 1)

    def _step(self):
        self.taken += 1

    def of(self, work):
        before = self.taken
        work()
        return self.taken - before


def test_a_release_asks_the_database_for_no_more_after_thousands(tmp_path):
    with Steps() as steps, broker_bench(tmp_path, build_room(**TERMS)) as bench:
        release(bench, 0, **TERMS)
        first = steps.of(lambda: release(bench, 1, **TERMS))
        bench.close()
        with closing(sqlite3.connect(bench.home("hospital") / "state.sqlite")) as database:
            database.executescript(FILLED)
        bench.open("hospital")
        assert counted(release(bench, 2, **TERMS))[0] == MANY + 3
        later = steps.of(lambda: release(bench, 3, **TERMS))
    assert first > 0
    # Counting the others again would take some thousands more.
    assert later < first + 100
