# SPDX-License-Identifier: Apache-2.0
"""Which places a confined child may read: the interpreter, its libraries, our code.

Nothing else of the machine is there for it, not even names. Everything listed is
code that came with the installation; none of it belongs to a run.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import cleanroom

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib64")
_LOADER_CACHE = "/etc/ld.so.cache"
# pandas without it reads a package instead: 120 ms.
_TIME_ZONES = "/usr/share/zoneinfo"
# A number that says nothing of a run. Allocators ask for huge pages only where they can read how
# large these are; without, DuckDB counted distinct units in 1.10 of the time.
HUGE_PAGE_BYTES = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
# DuckDB aborts when the first exists and cannot be read; the limits lie in the second.
CONTROL_GROUPS = ("/proc/self/cgroup", "/sys/fs/cgroup")


def interpreter() -> str:
    """Return the program itself: the link in a virtual environment leads out of it."""
    return os.path.realpath(sys.executable)


def import_path() -> tuple[str, ...]:
    """Return where modules are looked for beside the standard library."""
    paths = sysconfig.get_paths()
    found = [paths["purelib"], paths["platlib"], str(Path(cleanroom.__file__).parents[1])]
    return tuple(dict.fromkeys(os.path.realpath(place) for place in found))


def readable_places() -> tuple[str, ...]:
    """Return every file and directory that a child needs to read, as real paths."""
    paths = sysconfig.get_paths()
    wanted = [
        interpreter(),
        paths["stdlib"],
        paths["platstdlib"],
        paths["purelib"],
        paths["platlib"],
        str(Path(cleanroom.__file__).parent),
        *_shared_interpreter(),
        *_libraries(),
        _LOADER_CACHE,
        _TIME_ZONES,
        HUGE_PAGE_BYTES,
    ]
    existing = [os.path.realpath(place) for place in wanted if Path(place).exists()]
    return tuple(dict.fromkeys(existing))


def system_links() -> tuple[tuple[str, str], ...]:
    """Return the links at the top of the file system that lead to libraries."""
    links = (place for place in _SYSTEM_LIBRARIES if Path(place).is_symlink())
    return tuple((str(Path(place).readlink()), place) for place in links)


def open_to_all(*, on_the_way: bool) -> bool:
    """Tell whether any user can read these places.

    Args:
        on_the_way: Whether the directories above them count; a sandbox with a root of
            its own makes them anew.
    """
    for place in map(Path, readable_places()):
        needed = 0o005 if place.is_dir() else 0o004
        if place.stat().st_mode & needed != needed:
            return False
        if on_the_way and not all(parent.stat().st_mode & 0o001 for parent in place.parents):
            return False
    return True


def _libraries() -> list[str]:
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    wide = [place for place in ("/lib64", "/usr/lib64") if Path(place).is_dir()]
    if not multiarch:
        return wide
    loaders = [str(loader) for loader in Path("/lib").glob("ld-linux*.so*")]
    return [f"/lib/{multiarch}", f"/usr/lib/{multiarch}", *wide, *loaders]


def _shared_interpreter() -> list[str]:
    directory, name = sysconfig.get_config_vars("LIBDIR", "INSTSONAME")
    library = Path(str(directory)) / str(name)
    return [str(library)] if library.suffix != ".a" else []
