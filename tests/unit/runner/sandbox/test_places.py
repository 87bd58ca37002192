# SPDX-License-Identifier: Apache-2.0
"""A confined child reads what its libraries need, and computes as fast as an unconfined one."""

from pathlib import Path

import pytest

from cleanroom.runner.sandbox.places import HUGE_PAGE_BYTES
from tests.support.sandboxes import KERNEL_LEVELS, confinement_or_skip, misbehave


@pytest.mark.parametrize("level", KERNEL_LEVELS)
def test_an_allocator_reads_how_large_huge_pages_are(level):
    if not Path(HUGE_PAGE_BYTES).exists():
        pytest.skip("this kernel has no huge pages that come by themselves")
    found = misbehave(confinement_or_skip(level), f"reads {HUGE_PAGE_BYTES}")
    assert found == Path(HUGE_PAGE_BYTES).read_bytes()
