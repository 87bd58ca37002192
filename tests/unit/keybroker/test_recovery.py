# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest

from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import Commit, StateStep
from cleanroom.errors import IntegrityError, KeyRefusedError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.backup import back_up, restore
from cleanroom.keybroker.recovery import contract_owners, follow, recover
from cleanroom.vault.data_key import delete_data_key, list_versions
from tests.support.brokers import read_release
from tests.support.restored_brokers import KEPT, LINEAGE, LOST, disaster
from tests.support.room_documents import NOW

GENESIS = genesis_head(LINEAGE)
OTHER = "insurer.members"


def step_of(previous, entry):
    """Word a counterparty's commit of one step of the lineage."""
    head = next_head(previous, Digest.of(entry))
    moved = StateStep(lineage=LINEAGE, previous=previous, next=head)
    beside = StateStep(lineage=OTHER, previous=Digest.of(b"x"), next=Digest.of(b"y"))
    return Commit(
        party=KEPT,
        epoch="0" * 32,
        run="some-run-0001",
        runtime_data=Digest.of(b"runtime data"),
        receipt=Digest.of(b"receipt"),
        result=Digest.of(b"result"),
        lineages=(moved, beside),
        entry=Digest.of(entry),
        committed_at=NOW,
    )


def chain(*entries, start=GENESIS):
    """Word the commits of a whole history."""
    commits, head = [], start
    for entry in entries:
        commits.append(step_of(head, entry))
        head = next_head(head, Digest.of(entry))
    return commits


def test_histories_are_followed_whatever_the_order_and_who_tells_twice():
    commits = chain(b"a", b"b", b"c")
    wanted = follow(LINEAGE, GENESIS, commits)
    assert [step.entry for step in wanted] == [Digest.of(entry) for entry in (b"a", b"b", b"c")]
    assert {step.owners for step in wanted} == {("hospital", "insurer")}
    for order in itertools.permutations(commits):
        assert follow(LINEAGE, GENESIS, [*order, *order]) == wanted
    assert follow(LINEAGE, wanted[0].head, commits) == wanted[1:]
    assert follow(LINEAGE, wanted[-1].head, commits) == ()
    assert follow("hospital.others", genesis_head("hospital.others"), commits) == ()


def test_a_step_that_nobody_went_on_from_is_left_out():
    half = step_of(GENESIS, b"never countersigned by all")
    found = follow(LINEAGE, GENESIS, [half, *chain(b"a", b"b")])
    assert [step.entry for step in found] == [Digest.of(b"a"), Digest.of(b"b")]


@pytest.mark.parametrize(
    "more", [[], [*chain(b"b", start=next_head(GENESIS, Digest.of(b"a")))]], ids=["ends", "begun"]
)
def test_two_histories_that_both_may_be_true_are_refused(more):
    forked = [step_of(GENESIS, b"a"), step_of(GENESIS, b"z"), *more]
    if more:
        forked += chain(b"y", start=next_head(GENESIS, Digest.of(b"z")))
    with pytest.raises(KeyRefusedError) as refused:
        follow(LINEAGE, GENESIS, forked)
    assert refused.value.code == "broker.history-forked"


def test_a_step_that_leads_elsewhere_is_refused():
    """T-14: a counterparty's broker may sign anything."""
    honest = step_of(GENESIS, b"a")
    lying = StateStep(lineage=LINEAGE, previous=GENESIS, next=Digest.of(b"elsewhere"))
    commit = Commit(
        **{name: getattr(honest, name) for name in Commit.__slots__} | {"lineages": (lying,)}
    )
    with pytest.raises(IntegrityError):
        follow(LINEAGE, GENESIS, [commit])


def test_a_ring_of_steps_ends():
    back = StateStep(lineage=LINEAGE, previous=GENESIS, next=GENESIS)
    honest = step_of(GENESIS, b"a")
    stays = Commit(
        **{name: getattr(honest, name) for name in Commit.__slots__} | {"lineages": (back,)}
    )
    assert follow(LINEAGE, GENESIS, [stays]) == ()


@pytest.fixture
def scene(tmp_path):
    with disaster(tmp_path) as opened:
        yield opened


def test_a_whole_recovery(scene):
    scene.run()
    copy = scene.back_up()
    scene.run()
    spent = scene.head()
    scene.lose()
    scene.restore(copy)
    _, request = scene.ask()
    broker = scene.bench.brokers[LOST]
    with pytest.raises(KeyRefusedError) as refused:
        broker.release(request)
    assert refused.value.code == "broker.no-allowance"
    scene.recover()
    scene.allow(scene.sign(left=1))
    assert scene.head() == spent
    _, request = scene.ask()
    logged = scene.bench.brokers[LOST].release(request)
    said = read_release(scene.room, LOST, logged)
    assert (said.uses.used, said.uses.limit) == (2, 2)
    with scene.stopped() as state, state.transaction() as opened:
        assert contract_owners(opened) == {LOST, KEPT}


def test_refused_allowances_leave_nothing(scene):
    signed = scene.sign()
    with pytest.raises(KeyRefusedError) as refused:
        scene.allow(signed)
    assert refused.value.code == "allowance.not-restored"
    copy = scene.back_up()
    scene.lose()
    scene.restore(copy)
    for changes, kind, code in (
        ({"epoch": "9" * 32}, KeyRefusedError, "allowance.other-epoch"),
        ({"lineage": OTHER}, KeyRefusedError, "allowance.other-owner"),
        ({"head": Digest.of(b"?")}, IntegrityError, "allowance.head"),
    ):
        with pytest.raises(kind) as refused:
            scene.allow(scene.sign(**changes))
        assert refused.value.code == code
    signed = scene.sign()
    scene.allow(signed)
    with pytest.raises(KeyRefusedError) as refused:
        scene.allow(signed)
    assert refused.value.code == "allowance.taken"


def test_an_entry_that_is_another_is_refused(scene):
    scene.run()
    steps = follow(LINEAGE, GENESIS, chain(b"a"))
    with scene.stopped() as state, pytest.raises(IntegrityError), state.transaction() as opened:
        recover(opened, LINEAGE, steps, fetch=lambda _: b"another")


def test_commits_of_a_lineage_come_in_pages(scene):
    for _ in range(2):
        scene.run()
    broker = scene.bench.brokers[KEPT]
    whole = broker.commits(LINEAGE, start=0)
    assert len(whole) == 2
    assert broker.commits(LINEAGE, start=1) == whole[1:]
    assert broker.commits(LINEAGE, start=2) == ()
    assert broker.commits("hospital.others", start=0) == ()


def test_keys_come_back_and_deleted_ones_do_not(scene):
    copy = scene.back_up()
    delete_data_key(scene.home, lineage=LINEAGE, version=1)
    kept = scene.home / "data-keys"
    scene.bench.brokers.pop(LOST).close()
    for path in scene.home.glob("state.sqlite*"):
        path.unlink()
    assert list_versions(copy, LINEAGE) == (1,)
    scene.restore(copy)
    assert kept.is_dir()
    assert list_versions(scene.home, LINEAGE) == ()
    scene.lose()
    scene.restore(copy)
    assert list_versions(scene.home, LINEAGE) == (1,)


def test_a_copy_is_closed_to_others_and_replaces_nothing(scene):
    copy = scene.back_up()
    assert copy.stat().st_mode & 0o077 == 0
    assert (copy / "state.sqlite").stat().st_mode & 0o077 == 0
    with pytest.raises(RefusedError) as refused:
        scene.back_up()
    assert refused.value.code == "file.exists"
    with pytest.raises(UnavailableError) as refused:
        back_up(scene.bench.path / "nowhere", scene.bench.path / "other")
    assert refused.value.code == "broker.state-absent"


def begin(scene, copy, **changes):
    """Restore into a home of its own."""
    terms = {"party": LOST, "leaves": (), "epoch": "1" * 32, "at": NOW} | changes
    home = scene.bench.path / "new home"
    restore(copy, home, **terms)
    return home


def test_a_copy_may_lie_in_a_directory_of_any_name(scene):
    home = begin(scene, scene.back_up("50%41 whole? #2"))
    assert list_versions(home, LINEAGE) == (1,)


def test_half_a_restored_memory_is_not_left_behind(scene):
    scene.run()
    copy = scene.back_up()
    for changes, code in (
        ({"leaves": (b"another log",)}, "broker.backup-log"),
        ({"party": KEPT}, "broker.other-party"),
    ):
        with pytest.raises(IntegrityError) as refused:
            begin(scene, copy, **changes)
        assert refused.value.code == code
        assert not list((scene.bench.path / "new home").glob("state.sqlite*"))
    home = begin(scene, copy)
    with pytest.raises(RefusedError) as refused:
        begin(scene, copy)
    assert refused.value.code == "broker.home-taken"
    assert (home / "state.sqlite").is_file()


def test_a_copy_that_is_none_is_unavailable(scene):
    empty = scene.bench.path / "empty"
    empty.mkdir(mode=0o700)
    with pytest.raises(UnavailableError) as refused:
        begin(scene, empty)
    assert refused.value.code == "broker.backup-absent"
    (empty / "state.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(UnavailableError) as refused:
        begin(scene, empty)
    assert refused.value.code == "broker.backup"


def test_a_disk_that_refuses_is_unavailable(scene):
    (scene.home / "data-keys" / LINEAGE / "7.json").mkdir()
    with pytest.raises(UnavailableError) as refused:
        scene.back_up()
    assert refused.value.code == "broker.backup"
