# SPDX-License-Identifier: Apache-2.0
"""What a run needs of the machine itself: Python, packages, clock, sandbox, disk."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from cleanroom.cli.findings import Finding, State, Surroundings
from cleanroom.contract.contract_terms import SandboxLevel

LEAST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 1024**3


def python(_: Surroundings) -> Iterator[Finding]:
    """Refuse a Python that is too old for the syntax and the standard library used."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    least = ".".join(str(part) for part in LEAST_PYTHON)
    old = sys.version_info[:2] < LEAST_PYTHON
    yield Finding(
        link="python",
        state=State.BROKEN if old else State.HOLDS,
        found=found,
        fix=f"install Python {least} or newer" if old else "",
    )


def dependencies(_: Surroundings) -> Iterator[Finding]:
    """Name every package that is absent, or is not the version pinned exactly."""
    wanted = [line for line in _requirements() if ";" not in line]
    broken = [problem for line in wanted if (problem := _missing(line))]
    fix = "install from the lock file again, as the README says"
    for problem in broken:
        yield Finding(link="dependencies", state=State.BROKEN, found=problem, fix=fix)
    if not broken:
        yield Finding(link="dependencies", state=State.HOLDS, found=f"{len(wanted)} present")


def _requirements() -> list[str]:
    try:
        return requires("cleanroom") or []
    except PackageNotFoundError:
        # Run from a source tree that nobody installed: its own name is what is missing.
        return ["cleanroom"]


def _missing(requirement: str) -> str:
    name = requirement
    for character in "<>=!~ [":
        name = name.partition(character)[0]
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"{name} is not installed"
    # Only an exact pin is compared: the gate knows one version's syntax tree.
    exact = requirement.partition("==")[2].partition(",")[0]
    return f"{name} is {found}, needed {exact}" if exact and exact != found else ""


def clock(surroundings: Surroundings) -> Iterator[Finding]:
    """Find a clock that was turned back."""
    # A clock that lags behind the files it wrote has been turned back, and would
    # bring expired contracts to life again.
    here = Path(__file__).stat().st_mtime
    written = dt.datetime.fromtimestamp(here, dt.UTC)
    back = surroundings.now + dt.timedelta(days=1) < written
    reading = f"{surroundings.now:%Y-%m-%d %H:%M} UTC"
    yield Finding(
        link="clock",
        state=State.BROKEN if back else State.HOLDS,
        found="earlier than this installation" if back else reading,
        fix="set the clock; expiry and freshness are judged by it" if back else "",
    )


def sandbox(_: Surroundings) -> Iterator[Finding]:
    """Say how strongly a query is confined here, and what each missing layer needs."""
    from cleanroom.runner.sandbox.host import examine_host

    host = examine_host()
    weak = host.best.level is SandboxLevel.PROCESS
    loud = ", NO KERNEL SANDBOX" if weak else ""
    yield Finding(
        link="sandbox",
        state=State.WARNING if weak else State.HOLDS,
        found=f"level {host.best.level}{loud}: {', '.join(host.best.layers)}",
        fix='only contracts with sandbox = "process" can run here' if weak else "",
    )
    for missing in host.missing:
        link = f"sandbox: {missing.layer}"
        yield Finding(link=link, state=State.WARNING, found=missing.found, fix=missing.fix)


def disk(surroundings: Surroundings) -> Iterator[Finding]:
    """Find a disk that is full or may not be written."""
    places = {"disk of profiles": surroundings.config, "disk of room": surroundings.room}
    for link, path in places.items():
        existing = _nearest(path.absolute())
        free = shutil.disk_usage(existing).free
        writable = os.access(existing, os.W_OK)
        lacking = free < LEAST_FREE_BYTES or not writable
        yield Finding(
            link=link,
            state=State.WARNING if lacking else State.HOLDS,
            found=f"{free // 1024**3} GiB free" + ("" if writable else ", not writable"),
            fix="free some space, or choose another directory" if lacking else "",
        )


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
