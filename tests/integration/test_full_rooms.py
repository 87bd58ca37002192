# SPDX-License-Identifier: Apache-2.0
"""A room that can take no result costs nobody a use, and the question can be asked again."""

import resource
from contextlib import contextmanager

import pytest

from cleanroom.contract import places
from cleanroom.errors import UnavailableError
from cleanroom.runner.space import SPACE_BYTES, require_space
from tests.support.room_simulator import RoomSimulator

COUNTED = b"SELECT ward, count(*) AS n FROM hospital.stays GROUP BY ward"


@contextmanager
def files_of_at_most(size):
    """Let the kernel refuse larger files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_room_that_takes_no_result_is_told_before_anything_is_spent(tmp_path):
    world = RoomSimulator(tmp_path)
    world.agree()
    query = world.approved(COUNTED)
    world.request(query, run="run-00000001")
    before = {name: broker.status().log_size for name, broker in world.brokers.items()}
    with files_of_at_most(SPACE_BYTES // 2), pytest.raises(UnavailableError) as refused:
        world.execute("run-00000001")
    assert refused.value.code == "room.space"
    assert {name: broker.status().log_size for name, broker in world.brokers.items()} == before
    assert not (world.room / places.receipt_file("run-00000001")).exists()
    # The same request, once there is space: it was never used.
    world.execute("run-00000001")
    assert world.verify("run-00000001").body.run == "run-00000001"
    world.close()


def test_the_space_is_given_back_at_once(tmp_path):
    require_space(tmp_path, run="run-00000001")
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written_is_told_without_its_path(tmp_path):
    with pytest.raises(UnavailableError) as refused:
        require_space(tmp_path / "absent", run="run-00000001")
    assert refused.value.code == "room.space"
    assert str(tmp_path) not in refused.value.message
