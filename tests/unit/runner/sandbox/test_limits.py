# SPDX-License-Identifier: Apache-2.0
"""What a child may use where others are the same user, so that the kernel counts them too."""

import _thread
import resource
from dataclasses import replace

import pytest

from cleanroom.kernel.limits import MIB
from cleanroom.runner.sandbox import limits
from tests.support.sandboxes import SMALL


@pytest.fixture
def held(monkeypatch):
    """Keep what would be set: this process has to go on."""
    found = {}
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (0, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, pair: found.update({kind: pair}))
    return found


@pytest.mark.parametrize("there", [3, 1024, 5000])
def test_a_child_has_a_thousand_more_tasks_than_its_user_and_no_three_thousand(
    monkeypatch, held, there
):
    def start(run, _arguments):
        soft, _ = held[resource.RLIMIT_NPROC]
        if there >= soft:
            raise RuntimeError("can't start new thread")
        run()

    monkeypatch.setattr(_thread, "start_new_thread", start)
    limits.apply_limits(replace(SMALL, tasks=0))
    least, most = held[resource.RLIMIT_NPROC]
    assert least == most
    assert there + 1024 <= most <= there + 2048


def test_a_child_that_is_a_user_of_its_own_has_what_it_was_given(held):
    limits.apply_limits(SMALL)
    assert held[resource.RLIMIT_NPROC] == (SMALL.tasks, SMALL.tasks)


def test_page_tables_of_all_its_addresses_are_small(held):
    limits.apply_limits(SMALL)
    addresses, _ = held[resource.RLIMIT_AS]
    assert addresses // 512 <= 128 * MIB + SMALL.memory_bytes // 32
