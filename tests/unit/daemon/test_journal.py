# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.daemon.journal import Journal, Unfinished
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.runner_bench import RUN


@pytest.fixture
def journal(tmp_path):
    return Journal(directory=tmp_path / "runs")


def test_a_run_begins_once(journal):
    assert journal.begin(RUN, lease=3)
    assert not journal.begin(RUN, lease=4)
    assert journal.unfinished() == {RUN: Unfinished(lease=3, asked=False)}


def test_that_keys_were_asked_for_is_remembered(journal):
    journal.begin(RUN, lease=3)
    journal.ask(RUN, lease=3)
    assert journal.unfinished() == {RUN: Unfinished(lease=3, asked=True)}
    assert not journal.begin(RUN, lease=4)


def test_what_a_killed_runner_had_not_written_whole_is_no_run(journal):
    journal.begin(RUN, lease=3)
    (journal.directory / f".{RUN}.0123456789abcdef").touch(mode=0o600)
    assert list(journal.unfinished()) == [RUN]
    assert [path.name for path in journal.directory.glob("[!.]*")] == [RUN]


def test_what_ended_does_not_begin_again_either(journal):
    journal.begin(RUN, lease=3)
    journal.end(RUN)
    assert journal.unfinished() == {}
    assert not journal.begin(RUN, lease=4)


def test_what_asked_for_no_keys_may_begin_again(journal):
    journal.begin(RUN, lease=3)
    journal.forget(RUN)
    assert journal.begin(RUN, lease=4)


def test_an_empty_journal_knows_no_run(journal):
    assert journal.unfinished() == {}


def test_a_run_id_is_never_a_path(journal):
    with pytest.raises(MalformedError):
        journal.begin("../r1", lease=1)


def test_a_changed_journal_is_refused(journal):
    journal.begin(RUN, lease=3)
    for changed in (b"x\n", b"begun\n", b"begun x\n", b"7\n"):
        (journal.directory / RUN).write_bytes(changed)
        with pytest.raises(MalformedError):
            journal.unfinished()


def test_without_a_disk_nothing_begins(tmp_path):
    (tmp_path / "runs").write_bytes(b"")
    with pytest.raises(UnavailableError):
        Journal(directory=tmp_path / "runs").begin(RUN, lease=1)
    with pytest.raises(UnavailableError):
        Journal(directory=tmp_path / "runs").ask(RUN, lease=1)
