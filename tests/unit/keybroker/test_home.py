# SPDX-License-Identifier: Apache-2.0
import dataclasses
import os
import shutil
import sqlite3

import pytest

from cleanroom.contract.broker_requests import ChallengeRequest, ContractNotice
from cleanroom.contract.statements import verify_refusal
from cleanroom.errors import (
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    RefusedError,
    UnavailableError,
)
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.broker import MAX_OUTSTANDING_NONCES, KeyBroker
from cleanroom.keybroker.freshness import NONCE_LIFETIME
from cleanroom.keybroker.sqlite import open_database
from cleanroom.keybroker.state import BrokerState
from tests.support.brokers import (
    BrokerBench,
    CountedEntropy,
    ScriptedRunner,
    TickingClock,
    broker_owner,
    read_release,
    require_logged,
)
from tests.support.keys import pins_of, throwaway_party
from tests.support.room_documents import NOW, RUN, build_room

ASK = ChallengeRequest(contract=Digest.of(b"contract"), run="some-run-0001")


def open_home(home, *, party="hospital", edition=1):
    """Open a broker without a room."""
    owner = throwaway_party(party, edition=edition)
    return KeyBroker.open(
        home,
        owner=broker_owner(owner, pins_of(owner)),
        clock=TickingClock(),
        entropy=CountedEntropy(label=party),
    )


def test_a_home_is_private_to_its_owner(tmp_path):
    with open_home(tmp_path / "home"):
        files = [path for path in (tmp_path / "home").iterdir() if path.name != "log"]
        assert {path.name for path in files} >= {"state.sqlite", "broker.lock"}
        assert all(path.stat().st_mode & 0o077 == 0 for path in files)
        assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def test_a_home_that_others_can_read_is_refused(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    with pytest.raises(RefusedError):
        open_home(tmp_path / "home")


def test_a_home_has_one_broker_at_a_time(tmp_path):
    with open_home(tmp_path / "home"):
        with pytest.raises(UnavailableError) as refused:
            open_home(tmp_path / "home")
        assert refused.value.code == "broker.locked"
    open_home(tmp_path / "home").close()


def test_closing_twice_is_harmless(tmp_path):
    broker = open_home(tmp_path / "home")
    broker.close()
    broker.close()


def test_a_home_keeps_its_epoch(tmp_path):
    with open_home(tmp_path / "home") as broker:
        epoch = broker.status().epoch
    with open_home(tmp_path / "home") as broker:
        assert broker.status().epoch == epoch


def test_the_home_of_another_party_is_refused(tmp_path):
    open_home(tmp_path / "home").close()
    with pytest.raises(IntegrityError) as refused:
        open_home(tmp_path / "home", party="insurer")
    assert refused.value.code == "broker.other-party"


def test_a_key_that_the_party_does_not_publish_is_refused(tmp_path):
    party = throwaway_party("hospital")
    owner = dataclasses.replace(
        broker_owner(party, pins_of(party)), broker_seed=throwaway_party("eve").unlocked.broker_seed
    )
    with pytest.raises(IntegrityError) as refused:
        KeyBroker.open(
            tmp_path / "home", owner=owner, clock=TickingClock(), entropy=CountedEntropy(label="x")
        )
    assert refused.value.code == "broker.key"
    assert not (tmp_path / "home").exists()


def test_a_home_of_another_version_is_refused(tmp_path):
    open_home(tmp_path / "home").close()
    with sqlite3.connect(tmp_path / "home/state.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0007'")
    connection.close()
    with pytest.raises(MalformedError) as refused:
        open_home(tmp_path / "home")
    assert refused.value.code == "broker.schema"


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home/state.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(IntegrityError) as refused:
        open_home(tmp_path / "home")
    assert refused.value.code == "broker.state-damaged"
    assert (tmp_path / "home/state.sqlite").read_bytes() == b"not a database" * 100


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path):
    (tmp_path / "home/state.sqlite-wal").mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o700)
    with pytest.raises(UnavailableError) as refused:
        open_home(tmp_path / "home")
    assert refused.value.code == "broker.state"


def test_a_link_in_place_of_the_lock_is_refused(tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home/broker.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError) as refused:
        open_home(tmp_path / "home")
    assert refused.value.code == "broker.home"
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_that_is_held_elsewhere_gives_the_home_back(tmp_path):
    (tmp_path / "home/log").mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o700)
    (tmp_path / "home/log/checkpoint").write_bytes(b"not a checkpoint")
    with pytest.raises(MalformedError):
        open_home(tmp_path / "home")
    (tmp_path / "home/log/checkpoint").unlink()
    open_home(tmp_path / "home").close()


def test_parameters_never_appear_in_database_errors(tmp_path):
    engine = open_database(tmp_path / "x.sqlite")
    with pytest.raises(Exception, match="no such table") as failed, engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (?)", ("a secret value",))
    assert "a secret value" not in str(failed.value)
    engine.dispose()


def test_every_commit_is_on_disk_before_it_is_answered(tmp_path):
    engine = open_database(tmp_path / "x.sqlite")
    with engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    engine.dispose()


def test_an_exception_records_nothing(tmp_path):
    state = BrokerState(tmp_path)
    state.begin(party="hospital", epoch="e1", at=NOW)

    def refuse_after_recording():
        with state.transaction() as opened:
            opened.recorder.nonce(b"n" * 32, request=ASK, expires=NOW)
            raise KeyRefusedError("no", code="a.b")

    with pytest.raises(KeyRefusedError):
        refuse_after_recording()
    with state.transaction() as opened:
        assert opened.standing.issued(b"n" * 32) is None
    state.close()


# Challenges.


def test_nonces_differ(tmp_path):
    with open_home(tmp_path / "home") as broker:
        nonces = {broker.challenge(ASK).nonce for _ in range(20)}
    assert len(nonces) == 20
    assert {len(nonce) for nonce in nonces} == {32}


def test_nonces_that_nobody_used_are_swept_away_in_time(tmp_path):
    party = throwaway_party("hospital")
    clock = TickingClock()
    state_entropy = CountedEntropy(label="x")
    with KeyBroker.open(
        tmp_path / "home",
        owner=broker_owner(party, pins_of(party)),
        clock=clock,
        entropy=state_entropy,
    ) as broker:
        broker.challenge(ASK)
    connection = sqlite3.connect(tmp_path / "home/state.sqlite")
    rows = [(number.to_bytes(32, "big"),) for number in range(1, MAX_OUTSTANDING_NONCES)]
    connection.executemany(
        "INSERT INTO nonces SELECT ?, run, contract, expires FROM nonces LIMIT 1", rows
    )
    connection.commit()
    connection.close()
    with KeyBroker.open(
        tmp_path / "home",
        owner=broker_owner(party, pins_of(party)),
        clock=clock,
        entropy=state_entropy,
    ) as broker:
        with pytest.raises(UnavailableError) as refused:
            broker.challenge(ASK)
        assert refused.value.code == "broker.challenges-full"
        clock.now += 2 * NONCE_LIFETIME
        with pytest.raises(UnavailableError):
            broker.challenge(ASK)
        clock.advance(seconds=1)
        broker.challenge(ASK)


# The log.


def test_a_statement_that_a_crash_left_unlogged_is_logged_at_the_next_start(bench, room, runner):
    request = runner.ask(bench)
    shutil.copytree(bench.home("hospital") / "log", bench.path / "log before")
    first = bench.brokers["hospital"].release(request)
    bench.brokers["hospital"].close()
    # This is what a crash between the record and the log leaves behind.
    shutil.rmtree(bench.home("hospital") / "log")
    shutil.move(bench.path / "log before", bench.home("hospital") / "log")
    broker = bench.open("hospital")
    assert broker.status().log_size == 1
    again = broker.release(request)
    assert again.statement == first.statement
    require_logged(room, "hospital", again)


def test_nothing_is_answered_while_the_log_cannot_be_written(bench, room, runner):
    request = runner.ask(bench)
    tiles = bench.home("hospital") / "log/tile"
    tiles.write_bytes(b"in the way")
    with pytest.raises(UnavailableError):
        bench.brokers["hospital"].release(request)
    tiles.unlink()
    logged = bench.brokers["hospital"].release(request)
    require_logged(room, "hospital", logged)
    assert read_release(room, "hospital", logged).uses.used == 1


def test_a_database_put_back_to_an_older_copy_is_refused(bench, room, runner):
    bench.brokers["hospital"].release(runner.ask(bench))
    bench.brokers["hospital"].close()
    home = bench.home("hospital")
    shutil.copy(home / "state.sqlite", bench.path / "backup")
    bench.open("hospital")
    bench.brokers["hospital"].release(ScriptedRunner(room=room, label="second").ask(bench))
    bench.brokers["hospital"].close()
    shutil.copy(bench.path / "backup", home / "state.sqlite")
    with pytest.raises(IntegrityError) as refused:
        bench.open("hospital")
    assert refused.value.code == "broker.rolled-back"


def test_a_database_that_loses_statements_under_its_broker_is_refused_at_once(bench, room, runner):
    broker = bench.brokers["hospital"]
    broker.release(runner.ask(bench))
    request = ScriptedRunner(room=room, label="second").ask(bench)
    database = sqlite3.connect(bench.home("hospital") / "state.sqlite")
    database.executescript("DELETE FROM counts; DELETE FROM releases; DELETE FROM statements")
    database.close()
    with pytest.raises(IntegrityError) as refused:
        broker.release(request)
    assert refused.value.code == "broker.rolled-back"


def test_a_new_database_beside_an_old_log_is_refused(bench, runner):
    bench.brokers["hospital"].release(runner.ask(bench))
    bench.brokers["hospital"].close()
    for file in bench.home("hospital").glob("state.sqlite*"):
        file.unlink()
    with pytest.raises(IntegrityError) as refused:
        bench.open("hospital")
    assert refused.value.code == "broker.rolled-back"


def test_a_database_with_another_history_is_refused(tmp_path):
    room = build_room()
    for path in ("one", "two"):
        bench = BrokerBench(path=tmp_path / path, room=room)
        bench.install_keys()
        broker = bench.open("hospital")
        broker.release(ScriptedRunner(room=room, label=path).ask(bench))
        bench.close()
    shutil.copy(tmp_path / "one/hospital/state.sqlite", tmp_path / "two/hospital/state.sqlite")
    bench = BrokerBench(path=tmp_path / "two", room=room)
    with pytest.raises(IntegrityError) as refused:
        bench.open("hospital")
    assert refused.value.code == "broker.rolled-back"


def test_the_log_is_served_and_nothing_beside_it(bench, runner):
    bench.brokers["hospital"].release(runner.ask(bench))
    broker = bench.brokers["hospital"]
    assert b"cleanroom/log/v0/hospital" in broker.log_file("checkpoint")
    assert broker.log_file("tile/entries/000.p/1").endswith(b"\n")
    for path in ("../state.sqlite", ".lock", "tile/../../state.sqlite", "", "/etc/passwd"):
        with pytest.raises(KeyRefusedError) as refused:
            broker.log_file(path)
        assert refused.value.code == "broker.log-path"
    with pytest.raises(UnavailableError):
        broker.log_file("tile/0/999")


# What a broker says about itself, and how it says no.


def test_the_status_names_the_document_that_the_broker_serves(bench, room):
    status = bench.brokers["hospital"].status()
    assert status.party == "hospital"
    assert status.document == room.parties["hospital"].document.digest
    assert status.time == NOW
    assert (status.log_size, status.heads) == (0, {})


def test_a_refusal_is_signed_and_leaves_no_trace(bench, room):
    broker = bench.brokers["hospital"]
    error = KeyRefusedError("nonce: expired", code="broker.nonce-expired")
    refusal = verify_refusal(
        broker.refusal(error, run=RUN),
        party="hospital",
        broker_key=room.parties["hospital"].document.broker_key,
    )
    assert (refusal.code, refusal.message) == (error.code, error.message)
    assert (refusal.run, refusal.refused_at) == (RUN, NOW)
    assert broker.status().log_size == 0


def test_the_share_of_one_set_of_owners_tells_nothing_about_another(room):
    owner = broker_owner(room.parties["hospital"], room.pins)
    shares = {owner.state_share(owners) for owners in (["a"], ["a", "b"], ["b"], ["ab"])}
    assert len(shares) == 4
    assert owner.state_share(["b", "a"]) == owner.state_share(["a", "b"])
    assert {len(share) for share in shares} == {32}
    other = broker_owner(room.parties["insurer"], room.pins)
    assert other.state_share(["a"]) not in shares


def test_secrets_do_not_appear_when_an_owner_is_printed(room):
    owner = broker_owner(room.parties["hospital"], room.pins)
    assert repr(owner.broker_seed) not in repr(owner)
    assert repr(owner.state_seed) not in repr(owner)


def test_pins_are_read_again_for_every_request(bench, room, runner):
    trusted = [pins_of(room.parties["hospital"])]
    owner = dataclasses.replace(
        broker_owner(room.parties["hospital"], room.pins), pins=lambda: trusted[-1]
    )
    bench.brokers["hospital"].close()
    broker = KeyBroker.open(
        bench.home("hospital"), owner=owner, clock=bench.clock, entropy=os.urandom
    )
    bench.brokers["hospital"] = broker
    with pytest.raises(RefusedError):
        broker.notice(ContractNotice(bundle=room.contract_bundle))
    trusted.append(room.pins)
    broker.notice(ContractNotice(bundle=room.contract_bundle))
    broker.release(runner.ask(bench))
