# SPDX-License-Identifier: Apache-2.0
"""One bench a test: a real broker over the standard room, from a home made once."""

import shutil

import pytest

from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.errors import MalformedError
from tests.support.brokers import ScriptedRunner, broker_bench
from tests.support.postgresql import name_database, running_server
from tests.support.room_documents import build_room

# What these promise of a broker they promise on PostgreSQL as well, among the slow tests.
ON_POSTGRESQL = ("test_commit", "test_release", "test_state_machine")


def pytest_generate_tests(metafunc):
    if "bench" in metafunc.fixturenames and metafunc.module.__name__.endswith(ON_POSTGRESQL):
        on_postgresql = pytest.param("postgresql", marks=pytest.mark.slow)
        metafunc.parametrize("bench", ["sqlite", on_postgresql], indirect=True)


@pytest.fixture(scope="session")
def room():
    return build_room()


@pytest.fixture(scope="session")
def server():
    with running_server() as running:
        yield running


def make_known(path, room):
    """Make homes with data keys, a known contract and no statement."""
    # A request that is refused teaches the broker the contract and nothing else.
    asked = ReleaseRequest(bundle=room.bundle, runtime_data=b"?", evidence=b"?")
    with broker_bench(path, room) as bench, pytest.raises(MalformedError):
        bench.brokers["hospital"].release(asked)
    return path


@pytest.fixture(scope="session")
def fresh_homes(tmp_path_factory, room):
    """Make homes to be copied."""
    return make_known(tmp_path_factory.mktemp("homes"), room)


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory, room, server):
    """Make homes to be copied, and the database that the hospital's names."""
    path, name = tmp_path_factory.mktemp("homes on postgresql"), server.make()
    name_database(path / "hospital", server.url(name))
    return make_known(path, room), name


@pytest.fixture
def bench(request, tmp_path, room):
    if getattr(request, "param", "sqlite") == "sqlite":
        shutil.copytree(request.getfixturevalue("fresh_homes"), tmp_path, dirs_exist_ok=True)
    else:
        homes, database = request.getfixturevalue("fresh_database")
        server = request.getfixturevalue("server")
        shutil.copytree(homes, tmp_path, dirs_exist_ok=True)
        name_database(tmp_path / "hospital", server.url(server.make(like=database)))
    with broker_bench(tmp_path, room) as opened:
        yield opened


@pytest.fixture
def runner(room):
    return ScriptedRunner(room=room)
