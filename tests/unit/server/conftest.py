# SPDX-License-Identifier: Apache-2.0
"""One served broker, and a directory whose path fits into a socket's name."""

import tempfile
from pathlib import Path

import pytest

from tests.support.brokers import ScriptedRunner, broker_bench
from tests.support.room_documents import build_room


@pytest.fixture(scope="session")
def room():
    return build_room()


@pytest.fixture
def bench(tmp_path, room):
    with broker_bench(tmp_path, room) as opened:
        yield opened


@pytest.fixture
def runner(room):
    return ScriptedRunner(room=room)


@pytest.fixture
def short_path():
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        yield Path(name)
