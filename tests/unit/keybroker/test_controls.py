# SPDX-License-Identifier: Apache-2.0
import sqlite3

import pytest

from cleanroom.contract.broker_requests import ContractNotice
from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import StateStep
from cleanroom.errors import IntegrityError, KeyRefusedError, MalformedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.controls import EVERYTHING, Controls, StopKind
from tests.support.brokers import (
    SEALED_ENTRY,
    ScriptedRunner,
    broker_bench,
    read_release,
    refuse_release,
)
from tests.support.older_memories import as_version_one
from tests.support.room_documents import NOW, build_room

MINE = "hospital.patients"


@pytest.fixture
def controls(bench):
    """Open the owner's controls beside its running broker, as another process does."""
    with Controls(bench.home("hospital")) as opened:
        yield opened


def subjects(room):
    """One name of each kind."""
    return {
        StopKind.CONTRACT: str(room.contract_digest),
        StopKind.DATASET: MINE,
        StopKind.ALL: "",
    }


@pytest.mark.parametrize("kind", StopKind)
def test_a_stop_is_in_force_for_the_next_release_until_it_is_resumed(bench, runner, controls, kind):
    request = runner.ask(bench)
    controls.stop(kind, subjects(bench.room)[kind], at=NOW)
    controls.stop(kind, subjects(bench.room)[kind], at=NOW)
    assert len(controls.stops()) == 1
    refuse_release(bench, request, code="broker.stopped", kind=KeyRefusedError)
    controls.resume(kind, subjects(bench.room)[kind])
    assert controls.stops() == ()
    bench.brokers["hospital"].release(request)


@pytest.mark.parametrize("kind", StopKind)
def test_a_stop_holds_back_retries_and_countersignatures_too(bench, runner, controls, kind):
    request = runner.ask(bench)
    broker = bench.brokers["hospital"]
    released = broker.release(request)
    steps = [
        StateStep(lineage=lineage, previous=head, next=next_head(head, Digest.of(SEALED_ENTRY)))
        for lineage in sorted(bench.room.query_terms.datasets)
        for head in [genesis_head(lineage)]
    ]
    commit = runner.commit(request, {"hospital": released}, steps=tuple(steps))
    controls.stop(kind, subjects(bench.room)[kind], at=NOW)
    refuse_release(bench, request, code="broker.stopped")
    with pytest.raises(KeyRefusedError) as refused:
        broker.commit(commit)
    assert refused.value.code == "broker.stopped"
    controls.resume(kind, subjects(bench.room)[kind])
    countersigned = broker.commit(commit)
    # Also what was given already is not given again while everything is stopped.
    controls.stop(kind, subjects(bench.room)[kind], at=NOW)
    with pytest.raises(KeyRefusedError):
        broker.commit(commit)
    controls.resume(kind, subjects(bench.room)[kind])
    assert broker.commit(commit).statement == countersigned.statement


def test_other_contracts_and_datasets_go_on(bench, runner, controls):
    controls.stop(StopKind.CONTRACT, str(Digest.of(b"other")), at=NOW)
    controls.stop(StopKind.DATASET, "hospital.others", at=NOW)
    bench.brokers["hospital"].release(runner.ask(bench))


def test_an_amendment_of_a_stopped_contract_is_stopped(tmp_path, room):
    amended = build_room(contract={"predecessor": room.contract_digest, "name": "again"})
    with broker_bench(tmp_path, amended) as bench:
        bench.brokers["hospital"].notice(ContractNotice(bundle=room.contract_bundle))
        with Controls(bench.home("hospital")) as controls:
            controls.stop(StopKind.CONTRACT, str(room.contract_digest), at=NOW)
        request = ScriptedRunner(room=amended).ask(bench)
        refuse_release(bench, request, code="broker.stopped")


@pytest.mark.parametrize(
    ("kind", "subject"),
    [(StopKind.CONTRACT, "stays"), (StopKind.CONTRACT, ""), (StopKind.DATASET, "sha256:00")],
)
def test_only_names_of_such_things_are_stopped(controls, kind, subject):
    with pytest.raises(MalformedError):
        controls.stop(kind, subject, at=NOW)
    assert controls.stops() == ()


def test_what_is_not_stopped_cannot_be_resumed(controls):
    controls.stop(StopKind.DATASET, MINE, at=NOW)
    with pytest.raises(UnavailableError) as refused:
        controls.resume(StopKind.ALL, "")
    assert refused.value.code == "broker.not-stopped"
    assert [(item.kind, item.subject, item.since) for item in controls.stops()] == [
        (StopKind.DATASET, MINE, NOW)
    ]


def next_run(bench, number):
    """Ask for one run of many."""
    room = build_room(run={"run": f"quota-run-{number:04}"})
    return ScriptedRunner(room=room).ask(bench)


def test_a_quota_counts_the_releases_of_a_day(bench, room, controls):
    contract = str(room.contract_digest)
    controls.set_quota(contract, 2)
    controls.set_quota(contract, 1)
    assert [(item.contract, item.per_day) for item in controls.quotas()] == [
        (room.contract_digest, 1)
    ]
    broker = bench.brokers["hospital"]
    first = next_run(bench, 1)
    broker.release(first)
    refuse_release(bench, next_run(bench, 2), code="broker.quota")
    # The release that counted may be asked for again.
    broker.release(first)
    bench.clock.advance(minutes=1)
    refuse_release(bench, next_run(bench, 3), code="broker.quota")
    controls.set_quota(contract, None)
    assert controls.quotas() == ()
    said = read_release(room, "hospital", broker.release(next_run(bench, 4)))
    assert said.uses.used == 2


def test_a_quota_is_there_again_after_a_day(tmp_path):
    later = NOW.replace(day=NOW.day + 2)
    room = build_room(run={"expires": later}, approvals={n: {"expires": later} for n in PARTIES})
    with broker_bench(tmp_path, room) as bench:
        broker = bench.brokers["hospital"]
        with Controls(bench.home("hospital")) as controls:
            controls.set_quota(str(room.contract_digest), 1)
        broker.release(ScriptedRunner(room=room).ask(bench))
        again = build_room(
            run={"run": "a-later-run", "expires": later},
            approvals={n: {"expires": later} for n in PARTIES},
        )
        bench.clock.advance(hours=23, minutes=59)
        refuse_release(bench, ScriptedRunner(room=again).ask(bench), code="broker.quota")
        bench.clock.advance(minutes=1)
        broker.release(ScriptedRunner(room=again).ask(bench))


PARTIES = ("hospital", "insurer")


def test_a_quota_of_nothing_gives_nothing(bench, room, runner, controls):
    controls.set_quota(str(room.contract_digest), 0)
    refuse_release(bench, runner.ask(bench), code="broker.quota")


def test_there_is_nothing_to_stop_before_the_first_start(tmp_path):
    with pytest.raises(UnavailableError) as refused:
        Controls(tmp_path)
    assert refused.value.code == "broker.state-absent"


def test_a_memory_that_is_none_is_not_touched(tmp_path):
    (tmp_path / "state.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(IntegrityError):
        Controls(tmp_path)


def columns(path):
    """Return every table's columns."""
    with sqlite3.connect(path) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {
            name: sorted((row[1], row[2]) for row in database.execute(f"PRAGMA table_info({name})"))
            for (name,) in names
        }
    database.close()
    return found


def test_an_older_memory_is_brought_forward_with_all_it_holds(tmp_path, room):
    with broker_bench(tmp_path, room) as bench:
        runner = ScriptedRunner(room=room)
        request = runner.ask(bench)
        first = bench.brokers["hospital"].release(request)
        bench.close()
        path = bench.home("hospital") / "state.sqlite"
        whole = columns(path)
        as_version_one(path)
        with pytest.raises(MalformedError) as refused:
            Controls(bench.home("hospital"))
        assert refused.value.code == "broker.schema"
        broker = bench.open("hospital")
        assert columns(path) == whole
        assert broker.release(request).statement == first.statement
        with Controls(bench.home("hospital")) as controls:
            controls.stop(StopKind.ALL, EVERYTHING, at=NOW)
        refuse_release(bench, request, code="broker.stopped")


@pytest.mark.parametrize("version", [4, 5, -1])
def test_a_memory_of_no_known_version_is_left_alone(tmp_path, room, version):
    with broker_bench(tmp_path, room) as bench:
        bench.close()
        path = bench.home("hospital") / "state.sqlite"
        with sqlite3.connect(path) as database:
            database.execute("DROP TABLE alembic_version")
            database.execute(f"PRAGMA user_version = {version}")
        database.close()
        with pytest.raises(MalformedError) as refused:
            bench.open("hospital")
        assert refused.value.code == "broker.schema"
