# SPDX-License-Identifier: Apache-2.0
"""What Landlock is asked to take away, for every version of its interface."""

import struct

import pytest

from cleanroom.runner.sandbox import landlock


@pytest.mark.parametrize(
    ("version", "files", "network", "scopes"),
    [
        (1, 0x1FFF, 0, 0),
        (2, 0x3FFF, 0, 0),
        (3, 0x7FFF, 0, 0),
        (4, 0x7FFF, 3, 0),
        (5, 0xFFFF, 3, 0),
        (6, 0xFFFF, 3, 3),
        (9, 0xFFFF, 3, 3),
    ],
)
def test_everything_that_a_version_knows_is_taken_away(version, files, network, scopes):
    assert struct.unpack("=QQQ", landlock.ruleset(version)) == (files, network, scopes)


def test_a_newer_version_never_takes_away_less():
    earlier = (0, 0, 0)
    for version in range(1, 10):
        now = struct.unpack("=QQQ", landlock.ruleset(version))
        assert all(old & new == old for old, new in zip(earlier, now, strict=True))
        earlier = now
