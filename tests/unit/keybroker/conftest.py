# SPDX-License-Identifier: Apache-2.0
"""One bench a test: a real broker over the standard room, from a home made once."""

import shutil

import pytest

from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.errors import MalformedError
from tests.support.brokers import ScriptedRunner, broker_bench
from tests.support.room_documents import build_room


@pytest.fixture(scope="session")
def room():
    return build_room()


@pytest.fixture(scope="session")
def fresh_homes(tmp_path_factory, room):
    """Make homes with data keys, a known contract and no statement, to be copied."""
    path = tmp_path_factory.mktemp("homes")
    # A request that is refused teaches the broker the contract and nothing else.
    asked = ReleaseRequest(bundle=room.bundle, runtime_data=b"?", evidence=b"?")
    with broker_bench(path, room) as bench, pytest.raises(MalformedError):
        bench.brokers["hospital"].release(asked)
    return path


@pytest.fixture
def bench(tmp_path, room, fresh_homes):
    shutil.copytree(fresh_homes, tmp_path, dirs_exist_ok=True)
    with broker_bench(tmp_path, room) as opened:
        yield opened


@pytest.fixture
def runner(room):
    return ScriptedRunner(room=room)
