# SPDX-License-Identifier: Apache-2.0
"""Start a child in namespaces of its own, with an empty, read-only root (bubblewrap).

There is no ``/proc``, no ``/dev`` and no ``/tmp`` inside: nothing that we run needs
them, and mounting ``/proc`` is what fails inside containers.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from cleanroom.runner.sandbox.places import system_links

# Never the caller's PATH: whoever starts a runner does not choose its sandbox.
_SEARCHED = "/usr/bin:/bin:/usr/local/bin"
DEBIAN_PACKAGE = "bubblewrap"

_COMMON = (
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--hostname",
    "sandbox",
    "--cap-drop",
    "ALL",
    "--new-session",
    "--die-with-parent",
)


class Namespaces(Enum):
    """How namespaces are made here.

    A plain user makes a user namespace and the others in it. Root makes them
    directly and becomes somebody inside whom nobody else is, for the kernel
    too: limits on processes do not hold for the real root, however it is mapped.
    """

    OF_A_USER = ("--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534")
    OF_ROOT = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")


def find() -> str | None:
    """Return where bubblewrap is installed."""
    return shutil.which("bwrap", path=_SEARCHED)


def wrapped(
    program: str, namespaces: Namespaces, *, places: Sequence[str], command: Sequence[str]
) -> list[str]:
    """Return the command that runs another one where nothing but some places exists."""
    # Directories on the way are made closed to others, and the child is another user.
    parents = sorted({str(parent) for place in places for parent in Path(place).parents} - {"/"})
    ways = [word for parent in parents for word in ("--perms", "0755", "--dir", parent)]
    shown = [word for place in places for word in ("--ro-bind", place, place)]
    links = [word for target, link in system_links() for word in ("--symlink", target, link)]
    bare = ("--chdir", "/", "--remount-ro", "/", "--")
    return [program, *_COMMON, *namespaces.value, *ways, *shown, *links, *bare, *command]
