# SPDX-License-Identifier: Apache-2.0
"""Questions go to the driver: errors, savepoints and what must be there are as before."""

import pytest

from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.errors import IntegrityError, KeyRefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker import asking, questions
from cleanroom.keybroker.state import BrokerState
from tests.support.room_documents import NOW

NONCE = b"n" * 32
ASK = ChallengeRequest(contract=Digest.of(b"contract"), run="some-run-0001")


@pytest.fixture
def state(tmp_path):
    opened = BrokerState(tmp_path)
    opened.begin(party="hospital", epoch="e" * 32, at=NOW)
    yield opened
    opened.close()


def give_twice(state):
    with state.transaction() as opened:
        opened.recorder.nonce(NONCE, request=ASK, expires=NOW)
        opened.recorder.nonce(NONCE, request=ASK, expires=NOW)


def use_up_read_only(state):
    with state.look() as standing:
        standing.connection.exec_driver_sql("PRAGMA query_only = ON")
        asking.change(standing.connection, questions.USE_UP_NONCE, {"asked": NONCE})


def give_in_vain(opened):
    with opened.part():
        opened.recorder.nonce(b"m" * 32, request=ASK, expires=NOW)
        raise KeyRefusedError("a rule says no", code="broker.stopped")


def test_a_statement_that_must_be_there_and_is_not_is_damage(state):
    with pytest.raises(IntegrityError) as refused, state.transaction() as opened:
        opened.standing.statement(0)
    assert refused.value.code == "broker.state-damaged"


def test_leaves_are_told_in_order_and_a_gap_among_them_is_damage(state):
    with state.transaction() as opened:
        for number in (0, 1, 3):
            opened.recorder.logged_only(number, b"leaf %d\n" % number)
        assert opened.standing.leaves(range(1)) == [b"leaf 0\n"]
        assert opened.standing.leaves(range(2)) == [b"leaf 0\n", b"leaf 1\n"]
    with pytest.raises(IntegrityError) as refused, state.look() as standing:
        standing.leaves(range(4))
    assert refused.value.code == "broker.state-damaged"


def life_after(state, statement):
    with state.transaction() as opened:
        opened.standing.connection.exec_driver_sql(statement)
        return opened.standing.epoch


def test_a_memory_without_a_life_is_damaged(state):
    with pytest.raises(IntegrityError) as refused:
        life_after(state, "DELETE FROM epoch")
    assert refused.value.code == "broker.state-damaged"
    with state.look() as standing:
        assert (standing.epoch, standing.is_restored) == ("e" * 32, False)


def test_what_contradicts_the_tables_is_damage_and_says_no_value(state):
    with pytest.raises(IntegrityError) as refused:
        give_twice(state)
    assert refused.value.code == "broker.state-damaged"
    assert "some-run" not in str(refused.value.__cause__)
    with state.look() as standing:
        assert standing.outstanding_nonces() == 0


def test_a_database_that_refuses_is_unavailable(state):
    with pytest.raises(UnavailableError) as refused:
        use_up_read_only(state)
    assert refused.value.code == "broker.state"


def test_a_part_that_fails_is_undone_alone(state):
    with state.transaction() as opened:
        opened.recorder.nonce(NONCE, request=ASK, expires=NOW)
        with pytest.raises(KeyRefusedError):
            give_in_vain(opened)
        with opened.part():
            opened.recorder.nonce(b"o" * 32, request=ASK, expires=NOW)
    with state.look() as standing:
        assert standing.outstanding_nonces() == 2
        assert standing.issued(b"m" * 32) is None
        assert standing.issued(NONCE).run == ASK.run
