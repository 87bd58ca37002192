# SPDX-License-Identifier: Apache-2.0
"""One bench a test: real brokers of both owners over the standard room."""

import pytest

from tests.support.brokers import ScriptedRunner, broker_bench
from tests.support.room_documents import build_room


@pytest.fixture
def room():
    return build_room()


@pytest.fixture
def bench(tmp_path, room):
    with broker_bench(tmp_path, room) as opened:
        yield opened


@pytest.fixture
def runner(room):
    return ScriptedRunner(room=room)
