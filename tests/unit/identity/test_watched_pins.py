# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import os
from dataclasses import dataclass

import pytest

from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.identity.pins import Replace, pin
from cleanroom.identity.watched_pins import SETTLED, WatchedPins
from cleanroom.kernel.clock import system_clock
from tests.support.keys import throwaway_party

HOSPITAL = throwaway_party("hospital").document
INSURER = throwaway_party("insurer").document
NEW_KEYS = throwaway_party("hospital", edition=2).document


@dataclass
class Later:
    """The machine's clock, set forward, as if what was written lay some time back."""

    by: dt.timedelta = 10 * SETTLED

    def __call__(self):
        return system_clock() + self.by


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "pins"
    pin(path, HOSPITAL, confirmed=HOSPITAL.digest)
    return path


def test_what_nobody_touched_is_read_once(directory):
    watched = WatchedPins(directory, clock=Later())
    first = watched()
    assert first.documents == {"hospital": HOSPITAL}
    assert watched() is first


def test_what_changed_a_moment_ago_is_read_again(directory):
    watched = WatchedPins(directory, clock=Later(by=dt.timedelta(0)))
    first = watched()
    assert watched() is not first
    assert watched().documents == first.documents


def test_another_party_counts_with_the_next_request(directory):
    watched = WatchedPins(directory, clock=Later())
    watched()
    pin(directory, INSURER, confirmed=INSURER.digest)
    assert set(watched().documents) == {"hospital", "insurer"}


def test_another_document_of_a_party_counts_with_the_next_request(directory):
    watched = WatchedPins(directory, clock=Later())
    watched()
    pin(directory, NEW_KEYS, confirmed=NEW_KEYS.digest, replace=Replace.YES)
    assert watched().documents["hospital"] == NEW_KEYS


def test_a_document_written_in_place_with_its_times_put_back_counts(directory):
    # Same name, inode, size and time of writing: the time of the change is the system's.
    path = directory / "hospital.toml"
    watched, before = WatchedPins(directory, clock=Later()), path.stat()
    watched()
    # Ticks of the file system's clock are coarse; what comes within one is not settled.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(NEW_KEYS.raw)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert watched().documents["hospital"] == NEW_KEYS


def test_a_pin_that_is_gone_is_trusted_no_more(directory):
    watched = WatchedPins(directory, clock=Later())
    watched()
    (directory / "hospital.toml").unlink()
    assert watched().documents == {}


def test_a_directory_that_others_may_write_is_refused_although_it_was_read_before(directory):
    watched = WatchedPins(directory, clock=Later())
    watched()
    directory.chmod(0o777)
    with pytest.raises(RefusedError):
        watched()
    directory.chmod(0o700)
    assert watched().documents == {"hospital": HOSPITAL}


def test_a_directory_that_is_gone_is_trusted_no_more(directory, tmp_path):
    watched = WatchedPins(directory, clock=Later())
    watched()
    directory.rename(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError):
        watched()
