# SPDX-License-Identifier: Apache-2.0
"""Make every escape attempt on this host, at every level it offers, and judge.

An owner who lets its data come here can watch this on the very machine. A single
attempt that reaches something fails the level.
"""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import QueryFailedError
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.runner.sandbox.escapes.suite import ATTEMPTS, REACHED
from cleanroom.runner.sandbox.escapes.world import SECRET, Attempt, Control, World
from cleanroom.runner.sandbox.host import Confinement, Host, weaker
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.memfd import sealed_memory
from cleanroom.runner.sandbox.process import confined_child

_CHILD = "cleanroom.runner.sandbox.escapes.suite"
_LIMITS = ChildLimits(
    memory_bytes=512 * MIB, processor_seconds=1, file_bytes=0, descriptors=64, tasks=64
)
# Unconfined, the same attempts must be able to succeed.
_CONTROL_LIMITS = ChildLimits(
    memory_bytes=1 << 40, processor_seconds=5, file_bytes=MIB, descriptors=64, tasks=0
)
_SECONDS = 4
_ANSWER_BYTES = 1024


class Verdict(StrEnum):
    """What became of one attempt."""

    BLOCKED = "blocked"
    REACHED = "REACHED"


class Evidence(StrEnum):
    """What an attempt does without a kernel sandbox, which says how much a block is worth."""

    REACHES = "reaches it unconfined"
    NOTHING = "reaches nothing here anyway"
    NOT_RUN = "not run unconfined: would harm the machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One attempt at one level.

    Attributes:
        level: How it was confined.
        attempt: Which it was.
        verdict: What became of it.
        evidence: What the same attempt does unconfined.
    """

    level: SandboxLevel
    attempt: Attempt
    verdict: Verdict
    evidence: Evidence


def run_self_test(
    host: Host, *, levels: Sequence[SandboxLevel], attempts: Sequence[Attempt] = ATTEMPTS
) -> Iterator[Trial]:
    """Make every attempt at each level, weakest first, and tell of each as it ends.

    Raises:
        ValueError: A level that this host does not offer.
    """
    bare = _as_this_user(weaker(host.best, SandboxLevel.PROCESS))
    confinements = {level: weaker(host.best, level) for level in levels}
    with _world() as world, ThreadPoolExecutor(max_workers=os.cpu_count()) as several:
        evidence = list(several.map(lambda attempt: _evidence(attempt, bare, world), attempts))
        for level, confinement in confinements.items():

            def made(attempt: Attempt, confinement: Confinement = confinement) -> Verdict:
                return _made(attempt, confinement, world, limits=_LIMITS)

            for attempt, found, verdict in zip(
                attempts, evidence, several.map(made, attempts), strict=True
            ):
                yield Trial(level=level, attempt=attempt, verdict=verdict, evidence=found)


def passes(trials: Sequence[Trial]) -> Mapping[SandboxLevel, bool]:
    """Tell of each level whether every attempt was blocked."""
    levels = dict.fromkeys(trial.level for trial in trials)
    return {
        level: all(trial.verdict is Verdict.BLOCKED for trial in trials if trial.level is level)
        for level in levels
    }


def _as_this_user(confinement: Confinement) -> Confinement:
    # Without even another user: the strongest attacker makes the best control.
    return Confinement(level=confinement.level, namespaces=None, program="", user=0)


def _evidence(attempt: Attempt, bare: Confinement, world: World) -> Evidence:
    if attempt.control is Control.WOULD_HARM:
        return Evidence.NOT_RUN
    made = _made(attempt, bare, world, limits=_CONTROL_LIMITS)
    return Evidence.REACHES if made is Verdict.REACHED else Evidence.NOTHING


def _made(
    attempt: Attempt, confinement: Confinement, world: World, *, limits: ChildLimits
) -> Verdict:
    with confined_child(
        _CHILD,
        confinement=confinement,
        limits=limits,
        descriptors=(world.table,),
        others_code=True,  # as an analysis is confined
    ) as child:
        child.require_ready()
        try:
            answer = child.exchange(
                world.encode(attempt.name), seconds=_SECONDS, most=_ANSWER_BYTES
            )
        except QueryFailedError:
            return Verdict.BLOCKED  # it was killed, or died of what it did
    return Verdict.REACHED if answer == REACHED else Verdict.BLOCKED


@contextmanager
def _world() -> Iterator[World]:
    """Lay the bait out, and clear it away with the block."""
    secret = ctypes.create_string_buffer(SECRET.encode())
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="cleanroom-self-test-"))
        Path(directory).chmod(0o777)
        secret_file = Path(directory) / "secret"
        secret_file.write_text(SECRET)
        secret_file.chmod(0o644)
        table = stack.enter_context(sealed_memory("table", lambda file: file.write(bytes(8192))))
        opened = stack.enter_context(secret_file.open("rb"))
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        path, name = f"{directory}/socket", f"cleanroom-self-test-{os.getpid()}"
        for address in (path, f"\0{name}"):
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind(address)
            unix.listen(128)
        Path(path).chmod(0o777)
        yield World(
            runner=os.getpid(),
            directory=directory,
            secret_file=str(secret_file),
            unix_path=path,
            unix_name=name,
            tcp_port=tcp.getsockname()[1],
            udp_port=udp.getsockname()[1],
            secret_address=ctypes.addressof(secret),
            secret_descriptor=opened.fileno(),
            table=table,
        )
