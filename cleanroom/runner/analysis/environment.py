# SPDX-License-Identifier: Apache-2.0
"""The environment that analyses run in: a lock file of its own, and what is installed here.

A query names the digest of the lock that its author worked with. A runner with another
lock, or with other versions than its lock says, refuses before any key is asked for.
"""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cleanroom.errors import MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MIB
from cleanroom.runner.analysis.installed import require_installed_files

LOCK = Path(__file__).with_name("environment.lock")
MAX_LOCK_BYTES = MIB

_PINNED = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+_-]+)"
    r"(?: ; python_full_version (<|>=) '([0-9]+)\.([0-9]+)')? \\"
)
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")

Installed = Callable[[str], str]
Files = Callable[[Iterable[str]], Digest]


@functools.cache
def lock_bytes() -> bytes:
    """Return the lock of this installation."""
    return read_limited(LOCK, what=LOCK.name, limit=MAX_LOCK_BYTES)


def environment_digest() -> Digest:
    """Return the digest that a query names which was written against this installation."""
    return Digest.of(lock_bytes())


def require_environment(
    agreed: Digest,
    *,
    lock: bytes | None = None,
    installed: Installed = importlib.metadata.version,
    python: str = "",
    files: Files | None = None,
) -> None:
    """Refuse unless the agreed environment is the one that is installed here.

    Args:
        agreed: Digest of the lock file that the query names.
        lock: The lock of this installation.
        installed: Tells the version of a distribution.
        python: Version of the interpreter; this one's if empty.
        files: Compares what distributions installed with what they list; once a process.

    Raises:
        RefusedError: Another lock; a library that is absent, of another version, or altered.
        MalformedError: The lock of this installation cannot be read.
    """
    data = lock_bytes() if lock is None else lock
    found = Digest.of(data)
    if found != agreed:
        raise RefusedError(
            f"environment: this runner has {found}, agreed {agreed}",
            code="analysis.environment",
            hint="submit the query with the version of cleanroom that the runner has",
        )
    for name, version in locked_versions(data, python=python or platform.python_version()).items():
        _require_installed(name, version, installed=installed)
    if files is None:
        environment_files()
    else:
        files(locked_versions(data, python=python or platform.python_version()))


@functools.cache
def environment_files() -> Digest:
    """Digest every file of the environment that is installed here, each compared with its list.

    Once a process: what is put in a file's place later is not what was approved to run here,
    and a runner serves one run.

    Raises:
        RefusedError: A file is absent, altered, or listed by nobody.
    """
    return require_installed_files(locked_versions(lock_bytes(), python=platform.python_version()))


def locked_versions(lock: bytes, *, python: str) -> Mapping[str, str]:
    """Read which versions a lock pins for a version of Python.

    Raises:
        MalformedError: A line of another form than the locks of this project have.
    """
    versions: dict[str, str] = {}
    minor = tuple(map(int, python.split(".")[:2]))
    for line in lock.decode("ascii", "replace").splitlines():
        pinned = _PINNED.fullmatch(line)
        if pinned is None:
            if _HASH.fullmatch(line):
                continue
            raise MalformedError(
                f"{LOCK.name}: found another line, agreed a pinned version or a hash",
                code="analysis.lock",
            )
        name, version, comparison, major, least = pinned.groups()
        if not comparison or (minor < (int(major), int(least))) == (comparison == "<"):
            versions[name] = version
    return versions


def _require_installed(name: str, version: str, *, installed: Installed) -> None:
    try:
        found = installed(name)
    except importlib.metadata.PackageNotFoundError:
        found = "nothing"
    if found != version:
        raise RefusedError(
            f"environment: {name}: found {found}, agreed {version}",
            code="analysis.environment",
            hint=f"on the runner: pip install --require-hashes -r {LOCK.name}",
        )
