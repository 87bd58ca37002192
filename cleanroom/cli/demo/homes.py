# SPDX-License-Identifier: Apache-2.0
"""Two organisations on one machine, each with a home and a broker process of its own.

Nothing passes between the homes but the room and the brokers' sockets, exactly as
between two machines.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cleanroom.cli.new_party import default_address
from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.identity.profile import Profile, Unlocked
from cleanroom.kernel.files import PRIVATE_FILE, write_atomic
from cleanroom.kernel.record import dataclass

MARKER = ".cleanroom-demo"
BROKER_START_SECONDS = 180
STOP_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where one organisation keeps everything that it shares with nobody.

    Attributes:
        name: Its name as a party.
        title: What people call it.
        directory: Its own directory, used as ``XDG_CONFIG_HOME``.
    """

    name: str
    title: str
    directory: Path

    @property
    def config(self) -> Path:
        """Directory of its profiles."""
        return self.directory / "cleanroom"

    @property
    def passphrase_file(self) -> Path:
        """File with the passphrase of its keys; a demo must be able to be looked at later."""
        return self.directory / "passphrase"

    @property
    def broker_log(self) -> Path:
        """What its broker said on stderr."""
        return self.directory / "broker.log"

    @property
    def broker_arguments(self) -> tuple[str, ...]:
        """Arguments that serve its broker."""
        return ("broker", "serve", "--passphrase-file", str(self.passphrase_file))

    @property
    def environment(self) -> dict[str, str]:
        """What a process of this organisation gets to see."""
        return {"PATH": os.defpath, "XDG_CONFIG_HOME": str(self.directory), "LANG": "C.UTF-8"}

    @property
    def broker_address(self) -> str:
        """A Unix socket of its own."""
        return default_address(self.config / self.name)

    def make_passphrase(self) -> bytes:
        """Invent a passphrase and leave it where its owner finds it."""
        passphrase = secrets.token_urlsafe(24).encode()
        write_atomic(self.passphrase_file, passphrase + b"\n", mode=PRIVATE_FILE)
        return passphrase


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """An organisation whose keys are open."""

    home: Home
    profile: Profile
    unlocked: Unlocked


def prepare_directory(directory: Path) -> None:
    """Make an empty directory, replacing an earlier demo and nothing else.

    Raises:
        RefusedError: It holds something that the demo did not make.
        UnavailableError: The disk refuses.
    """
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise _foreign(directory)
    if directory.is_dir() and any(map(_is_foreign, directory.iterdir())):
        if not (directory / MARKER).is_file():
            raise _foreign(directory)
        # The marker goes last: a removal that is interrupted can be run again.
        for path in sorted(directory.iterdir(), key=lambda path: path.name == MARKER):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_atomic(directory / MARKER, b"made by cleanroom demo; the next demo replaces it\n")


def _is_foreign(path: Path) -> bool:
    # A marker that was being written when its process was killed is ours, too.
    return not path.name.startswith(f".{MARKER}.")


def _foreign(directory: Path) -> RefusedError:
    return RefusedError(
        f"directory {directory.name}: holds something that the demo did not make",
        code="demo.directory",
        hint="choose another one: cleanroom demo --directory PATH",
    )


@contextmanager
def broker_processes(homes: Sequence[Home]) -> Iterator[list[int]]:
    """Run each organisation's broker as a process of its own; yields their process ids.

    Raises:
        UnavailableError: One did not start; says what it said.
    """
    with ExitStack() as stack:
        services = [
            Service(home=home, arguments=home.broker_arguments, log=home.broker_log)
            for home in homes
        ]
        yield start_all(services, stack)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A server of one organisation.

    Attributes:
        home: Whose.
        arguments: What it is asked to do on the command line.
        log: Keeps what it says on standard error.
    """

    home: Home
    arguments: tuple[str, ...]
    log: Path


def start_all(services: Sequence[Service], stack: ExitStack) -> list[int]:
    """Start servers side by side and wait for each; they end with the stack.

    Returns:
        Their process ids.

    Raises:
        UnavailableError: One did not start; says what it said.
    """
    processes = []
    for service in services:
        processes.append(_start(service))
        stack.callback(_stop, processes[-1])
    for process, service in zip(processes, services, strict=True):
        _wait_until_ready(process, service)
    return [process.pid for process in processes]


def _start(service: Service) -> subprocess.Popen[bytes]:
    # -P: the demo's working directory must not shadow any module.
    command = [sys.executable, "-P", "-m", "cleanroom.cli", *service.arguments]
    with service.log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, "--stop-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=service.home.environment,
        )


def _wait_until_ready(process: subprocess.Popen[bytes], service: Service) -> None:
    # A server prints one line once it listens.
    ready = process.stdout and select.select([process.stdout], [], [], BROKER_START_SECONDS)[0]
    if not ready or not ready[0].readline():
        said = service.log.read_text(errors="replace").strip() or "it said nothing"
        raise UnavailableError(
            f"{service.arguments[0]} of {service.home.name}: did not start: {said.splitlines()[0]}",
            code="demo.broker",
            hint="cleanroom doctor",
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Closing its input asks the broker to end; it ends too if this process is killed.
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
