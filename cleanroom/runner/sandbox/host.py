# SPDX-License-Identifier: Apache-2.0
"""Find out how strongly this host can confine a child, and what it lacks.

The answer is asked of the kernel, never of a version number: containers, kernel
parameters and security modules all take something away.
"""

from __future__ import annotations

import functools
import os
import subprocess
from dataclasses import replace
from pathlib import Path

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import RefusedError
from cleanroom.kernel.record import dataclass
from cleanroom.runner.sandbox import bubblewrap, kernel, landlock, places
from cleanroom.runner.sandbox.bubblewrap import Namespaces
from cleanroom.runner.sandbox.syscalls import this_machine
from cleanroom.runner.sandbox.users import others_there

# Names of layers as receipts show them, in the order in which they are put on.
PROCESS_LAYERS = ("separate-process", "resource-limits", "no-new-privileges")
NAMESPACES = "namespaces"
LANDLOCK = "landlock"
OWN_USER = "unprivileged-user"
SECCOMP = "seccomp"

_PROBE_SECONDS = 10
# linux/capability.h
_SETUID, _SETGID, _READ_SEARCH, _SYS_ADMIN = 1 << 7, 1 << 6, 1 << 2, 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A layer that this host does not offer.

    Attributes:
        layer: Its name in receipts.
        found: What is there instead.
        fix: What to do about it.
    """

    layer: str
    found: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """How children are confined on this host.

    Attributes:
        level: The level that all layers together make.
        layers: The layers that are put on.
        namespaces: How namespaces are made, at level ``full``.
        program: Where bubblewrap is, at level ``full``.
        user: The user that a child becomes (see :mod:`cleanroom.runner.sandbox.users`), or 0
            to stay the runner's.
        reads_as_root: Whether that user reads what only root can, where Landlock leaves it:
            nobody else can read the runner's Python.
    """

    level: SandboxLevel
    namespaces: Namespaces | None
    program: str
    user: int
    reads_as_root: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, as the receipt shows them."""
        return _layers(self.level, own_user=bool(self.user) or os.geteuid() != 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What this host offers.

    Attributes:
        best: The strongest confinement.
        missing: Layers of ``full`` that are not to be had, with the fix.
    """

    best: Confinement
    missing: tuple[Missing, ...]

    def confinement(self, least: SandboxLevel) -> Confinement:
        """Return the strongest confinement, which must be at least the agreed one.

        Raises:
            RefusedError: It is weaker than agreed; names the layers that are missing.
        """
        if self.best.level.satisfies(least):
            return self.best
        lacking = ", ".join(item.layer for item in self.missing)
        raise RefusedError(
            f"sandbox: this host offers {self.best.level}, agreed at least {least};"
            f" missing: {lacking}",
            code="runner.sandbox",
            hint="; ".join(item.fix for item in self.missing),
        )


def weaker(confinement: Confinement, level: SandboxLevel) -> Confinement:
    """Return a confinement of a weaker level, for comparing levels."""
    if not confinement.level.satisfies(level):
        raise ValueError("a confinement cannot be made stronger")
    if level is SandboxLevel.FULL:
        return confinement
    return _plain(level)


@functools.cache
def examine_host() -> Host:
    """Ask the kernel what it offers, once; starts bubblewrap where it is installed."""
    host = _strongest()
    return replace(host, missing=(*host.missing, *_stays_root(host.best)))


def _strongest() -> Host:
    missing = tuple(_missing_in_kernel())
    if missing:
        missing += (_namespaces_need_the_rest(),) if not bubblewrap.find() else ()
        return Host(best=_plain(SandboxLevel.PROCESS), missing=missing)
    program = bubblewrap.find()
    if program is None:
        return Host(best=_plain(SandboxLevel.SELF), missing=(_namespaces_need_the_rest(),))
    for namespaces in _candidates():
        if _starts(program, namespaces):
            user = _own_user(own_root=True) if namespaces is Namespaces.OF_ROOT else 0
            full = Confinement(
                level=SandboxLevel.FULL, namespaces=namespaces, program=program, user=user
            )
            return Host(best=full, missing=())
    refused = Missing(
        layer=NAMESPACES,
        found="bubblewrap is installed, and this host lets it make no namespaces",
        fix="allow user namespaces to this user (containers and AppArmor often forbid them)",
    )
    return Host(best=_plain(SandboxLevel.SELF), missing=(refused,))


def _missing_in_kernel() -> list[Missing]:
    machine = this_machine()
    if machine is None:
        table = Missing(
            layer=SECCOMP,
            found="no table of system calls for this machine",
            fix="run it on x86-64 or aarch64 with a 64-bit Python",
        )
        return [table]
    missing = []
    if not landlock.version(machine):
        found = "the kernel has no Landlock, or it is not switched on"
        fix = "use Linux 5.13 or newer, with landlock among the security modules (lsm=)"
        missing.append(Missing(layer=LANDLOCK, found=found, fix=fix))
    if not kernel.can_filter(machine):
        found = "the kernel does not filter system calls"
        fix = "use a kernel with CONFIG_SECCOMP_FILTER"
        missing.append(Missing(layer=SECCOMP, found=found, fix=fix))
    return missing


def _namespaces_need_the_rest() -> Missing:
    return Missing(
        layer=NAMESPACES,
        found="bubblewrap is not installed",
        fix=f"apt-get install {bubblewrap.DEBIAN_PACKAGE}",
    )


def _plain(level: SandboxLevel) -> Confinement:
    plain = Confinement(level=level, namespaces=None, program="", user=_own_user())
    # Only Landlock holds a reader of everything to the few places of a child.
    if plain.user or level is SandboxLevel.PROCESS or not _may_change(_READ_SEARCH):
        return plain
    return replace(plain, user=others_there(), reads_as_root=True)


def _own_user(*, own_root: bool = False) -> int:
    """Tell whom a child becomes: another user, where the runner is root and others can import."""
    return others_there() if _may_change() and places.open_to_all(on_the_way=not own_root) else 0


def _may_change(more: int = 0) -> bool:
    return os.geteuid() == 0 and _holds(_SETUID | _SETGID | more)


def _stays_root(best: Confinement) -> tuple[Missing, ...]:
    if best.user or os.geteuid() != 0:
        return ()
    unreadable = Missing(
        layer=OWN_USER,
        found="the runner is root, and other users cannot read its Python",
        fix="start the runner as a user of its own, or install Python where everybody can read it",
    )
    return (unreadable,)


def _candidates() -> tuple[Namespaces, ...]:
    if os.geteuid() != 0:
        return (Namespaces.OF_A_USER,)
    return (Namespaces.OF_ROOT,) if _holds(_SETUID | _SETGID | _SYS_ADMIN) else ()


def _holds(capabilities: int) -> bool:
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return False
    effective = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff")]
    return bool(effective) and int(effective[0], 16) & capabilities == capabilities


def _starts(program: str, namespaces: Namespaces) -> bool:
    # The very command of a child, but for what it does inside.
    nothing = [places.interpreter(), "-I", "-S", "-B", "-c", ""]
    command = bubblewrap.wrapped(
        program, namespaces, places=places.readable_places(), command=nothing
    )
    try:
        done = subprocess.run(  # noqa: S603 - bubblewrap from a system directory, our interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _layers(level: SandboxLevel, *, own_user: bool) -> tuple[str, ...]:
    """Name the layers of a level, as the receipt shows them."""
    layers = (*PROCESS_LAYERS, OWN_USER) if own_user else PROCESS_LAYERS
    if level is SandboxLevel.PROCESS:
        return layers
    around = (NAMESPACES,) if level is SandboxLevel.FULL else ()
    return (*around, *layers, LANDLOCK, SECCOMP)
