# SPDX-License-Identifier: Apache-2.0
"""Whom a child becomes where the runner is root: somebody whom nobody else is.

Limits on processes do not hold for root, and they count all processes of a user. So
every child becomes a user of its own, out of a range that no system hands out; where
root is somebody's container, all share the user that owns nothing.
"""

from __future__ import annotations

import secrets
from pathlib import Path

# The user that owns nothing, on every Linux.
NOBODY = 65534
# systemd's table of users calls what follows unused.
OWN_USERS = range(1_879_048_192, 1_879_048_192 + (1 << 27))


def others_there(
    maps: tuple[Path, ...] = (Path("/proc/self/uid_map"), Path("/proc/self/gid_map")),
) -> int:
    """Return whom children can become here: the first of :data:`OWN_USERS`, or nobody."""
    return OWN_USERS.start if all(map(_maps_them, maps)) else NOBODY


def child_user(user: int) -> int:
    """Return whom the next child becomes: a fresh user, where a confinement says that it may."""
    return secrets.choice(OWN_USERS) if user == OWN_USERS.start else user


def _maps_them(place: Path) -> bool:
    try:
        ranges = [tuple(map(int, line.split())) for line in place.read_text("ascii").splitlines()]
    except (OSError, ValueError):
        return False
    return any(
        first <= OWN_USERS.start and OWN_USERS.stop <= first + count for first, _, count in ranges
    )
