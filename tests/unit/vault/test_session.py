# SPDX-License-Identifier: Apache-2.0
"""An engine that seals ends at a control-C, whichever of its threads are at work."""

import signal
import threading

import duckdb
import pytest

from cleanroom.vault.session import sealing_session

ENDLESS = "SELECT count(*) FROM range(1_000_000_000_000) WHERE random() > 2"


@pytest.fixture
def _listening():
    """Tests that were started in the background ignore control-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_while_it_is_asked(connection):
    asking = threading.Thread(target=ended_by_an_interrupt, args=(connection,))
    asking.start()
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        asking.join(timeout=300)
        assert not asking.is_alive()


@pytest.mark.usefixtures("_listening")
def test_the_engine_hears_an_interrupt_that_nobody_who_waits_for_it_does():
    before = threading.active_count()
    with sealing_session() as connection, pytest.raises(KeyboardInterrupt):
        interrupt_while_it_is_asked(connection)
    assert threading.active_count() == before
    assert signal.set_wakeup_fd(-1) == -1


def ended_by_an_interrupt(connection):
    with pytest.raises(duckdb.InterruptException):
        connection.execute(ENDLESS)


@pytest.mark.usefixtures("_listening")
def test_another_signal_ends_nothing():
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with sealing_session() as connection:
        signal.raise_signal(signal.SIGUSR1)
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    signal.signal(signal.SIGUSR1, before)


def test_whoever_ignores_interrupts_is_not_interrupted():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with sealing_session() as connection:
        assert signal.set_wakeup_fd(-1) == -1
        signal.raise_signal(signal.SIGINT)
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    signal.signal(signal.SIGINT, before)
