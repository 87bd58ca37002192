# SPDX-License-Identifier: Apache-2.0
"""Three parties in homes of their own; a hub, two brokers and a runner as processes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cleanroom.errors import CleanroomError
from cleanroom.hub.job import STAGES, Job
from cleanroom.identity.profile import load_profile
from cleanroom.kernel.clock import system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.jobs import JobClient
from cleanroom.mirror.login import kept_introduction
from tests.support.command_line import EXAMPLE, START_SECONDS, Party, seal_example
from tests.support.served_brokers import free_loopback_address

ROOM = "follow-up"
OWNERS = ("hospital", "insurer")
WAIT_SECONDS = 600


@dataclass(slots=True, kw_only=True)
class Service:
    """A server of one party that can be killed and started again.

    Attributes:
        party: Whose.
        arguments: Of the command line.
        process: What runs now; absent while it is down.
    """

    party: Party
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """What it wrote on standard error, in all its lives."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self.party.home / f"{self.arguments[0]}.log"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cleanroom.cli", *self.arguments, "--stop-with-stdin"],
                env=self.party.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], START_SECONDS)[0]
        assert self.process.stdout.readline(), f"it did not start: {self.said}"

    def kill(self) -> None:
        """Kill it as the kernel does when memory is short."""
        self._end(signal.SIGKILL)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its status."""
        return self._end(number)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        os.kill(process.pid, number)
        status = process.wait(timeout=START_SECONDS)
        process.stdin.close()
        process.stdout.close()
        return status


@dataclass(slots=True, kw_only=True)
class Network:
    """All parties and their servers.

    Attributes:
        directory: Holds every home, and the hub's directory.
        url: The room.
        parties: Hospital, insurer, operator.
        services: ``hub``, ``hospital``, ``insurer`` (their brokers) and ``runner``.
    """

    directory: Path
    url: str
    parties: dict[str, Party]
    services: dict[str, Service] = field(default_factory=dict)

    @property
    def insurer(self) -> Party:
        """Who submits and receives."""
        return self.parties["insurer"]

    def queue(self, year: int = 2025) -> str:
        """Put a run into the queue and return its id."""
        return self.insurer.succeeds(*self.ask(year), "--no-wait")["run"]

    def ask(self, year: int = 2025) -> tuple[str, ...]:
        """Return the command that runs the query."""
        return ("run", "programmes", "--param", f"year={year}", "--room", self.url)

    def wait(self, run: str, *, stage: str = "") -> Job:
        """Wait until a job has reached a stage or ended; servers may be down meanwhile."""
        found: list[Job] = []

        def reached() -> bool:
            with contextlib.suppress(CleanroomError):
                found.append(self._job(run))
            job = found[-1] if found else None
            if job is None or not job.state.is_open:
                return job is not None
            return bool(stage) and job.stage in STAGES[STAGES.index(stage) :]

        self.wait_until(reached)
        return found[-1]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that other processes bring about."""
        for _ in range(WAIT_SECONDS * 20):
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError(f"it never happened: {self.services['runner'].said}")

    def _job(self, run: str) -> Job:
        profile = load_profile(self.insurer.home / "cleanroom", "insurer")
        caller = kept_introduction(profile, at=system_clock())
        with HubClient(self.url, caller=caller) as client:
            return JobClient(client=client).find(run)

    def uses(self, party: str = "hospital") -> int:
        """Tell how many statements an owner's broker has given."""
        return int(self.parties[party].succeeds("broker", "status")["log_size"])


@contextmanager
def network(directory: Path) -> Iterator[Network]:
    """Agree on the example through a hub, and serve everything but the runner."""
    parties = {
        name: Party(name=name, home=directory / name).settle() for name in (*OWNERS, "operator")
    }
    address = free_loopback_address()
    found = Network(directory=directory, url=f"{address}/{ROOM}", parties=parties)
    documents = _introduce(tuple(parties.values()), directory / "documents")
    hub = ("--directory", str(directory / "hub"))
    parties["operator"].succeeds("hub", "admit", ROOM, *documents, *hub)
    found.services = {
        "hub": Service(
            party=parties["operator"],
            arguments=("hub", "serve", *hub, "--listen", address.removeprefix("http://")),
        ),
        **{name: Service(party=parties[name], arguments=("broker", "serve")) for name in OWNERS},
        "runner": Service(
            party=parties["operator"], arguments=("runner", "serve", "--room", found.url)
        ),
    }
    with ExitStack() as stack:
        for name in ("hub", *OWNERS):
            found.services[name].start()
            stack.callback(found.services[name].end)
        stack.callback(found.services["runner"].end)
        _agree(found)
        yield found


def _introduce(parties: Sequence[Party], room: Path) -> list[Path]:
    for party in parties:
        party.succeeds("init", party.name, "--room", room)
        party.eases_its_key()
    documents = [room / "parties" / f"{party.name}.toml" for party in parties]
    for party in parties:
        for other, document in zip(parties, documents, strict=True):
            if other is not party:
                seen = str(Digest.of(document.read_bytes()))
                party.succeeds("party", "trust", document, "--fingerprint", seen)
    return documents


def _agree(found: Network) -> None:
    room, insurer = found.url, found.insurer
    for party in found.parties.values():
        party.succeeds("room", "login")
    for name in OWNERS:
        seal_example(found.parties[name], room)
    found.parties["operator"].types("room", "clone", room, found.directory / "operator-room")
    insurer.succeeds(
        *("contract", "new", "--template", "multi-party", "--platform", "simulated"),
        *("--receiver", "insurer", "--operator", "operator", "--name", "follow-up-2026"),
        *("--room", room),
    )
    for party in found.parties.values():
        party.succeeds("contract", "sign", "--room", room)
    query = EXAMPLE / "programmes.sql"
    insurer.succeeds("query", "submit", query, "--param", "year=2024,2025", "--room", room)
    found.parties["hospital"].succeeds("query", "approve", "programmes", "--room", room)
