# SPDX-License-Identifier: Apache-2.0
"""Measure a key broker: releases beside one durable SQLite commit, and the memory it holds.

A release here is the whole call over loopback: a signed request, documents, the quote of
a software TPM, decision, record, log, all of it on disk before the answer. The broker is a
process of its own; callers are threads here. Directories lie on a real disk, because a
broker's promise is what fsync gives.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import Case, Report, Settings, Taken, Work, compare
from bench.served_broker import PLATFORM, attest, busy_room
from cleanroom.contract.broker_requests import ChallengeRequest, ReleaseRequest
from cleanroom.runner.broker_client import BrokerClient
from tests.support.brokers import ScriptedRunner, TickingClock
from tests.support.keys import derive
from tests.support.served_brokers import caller_of, free_loopback_address

BATCH = 48
CALLERS = 12
DISK = "/var/tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    address: str
    pid: int

    def processor(self) -> float:
        """Return the seconds of processor that the broker has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return its largest resident memory so far, in MiB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def measure_broker(settings: Settings) -> Report:
    """Measure releases on SQLite with fsync, and what a served broker keeps in memory."""
    with tempfile.TemporaryDirectory(dir=DISK) as name, ExitStack() as stack:
        directory = Path(name)
        served = stack.enter_context(_broker(directory / "homes"))
        plain = stack.enter_context(
            closing(sqlite3.connect(directory / "plain.sqlite", isolation_level=None))
        )
        case, spent = _releases(served, plain, settings)
        memory = served.memory()
    return Report(
        title="broker",
        data=f"Two owners, one contract, {BATCH} runs a round from {CALLERS} callers, a nonce "
        f"and evidence ({PLATFORM}) each.",
        cases=(case,),
        figures={
            "releases a second, best round": f"{1 / min(t.wall for t in case.runs['release']):.0f}",
            "processor of the broker for one, least": f"{min(spent) * 1000:.1f} ms",
            "largest resident memory of the broker": f"{memory} MiB",
        },
    )


@contextmanager
def _broker(homes: Path) -> Iterator[_Served]:
    address = free_loopback_address()
    command = [sys.executable, "-m", "bench.served_broker", str(homes), address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is not None:
            process.stdout.readline()
        try:
            yield _Served(address=address, pid=process.pid)
        finally:
            process.terminate()


def _releases(
    served: _Served, plain: sqlite3.Connection, settings: Settings
) -> tuple[Case, list[float]]:
    plain.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
    plain.execute("CREATE TABLE rows (value BLOB)")
    spent: list[float] = []
    clock = TickingClock()
    caller = caller_of(busy_room(0).parties["insurer"], clock)
    with (
        BrokerClient(served.address, caller=caller, clock=clock) as client,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        # One more round than counts, each with requests of its own: asking again is another path.
        batches = iter(
            [
                list(_requests(client, first))
                for first in range(0, (settings.times + 1) * BATCH, BATCH)
            ]
        )

        def release() -> None:
            before = served.processor()
            for _ in callers.map(client.release, next(batches)):
                pass
            spent.append((served.processor() - before) / BATCH)

        ways: dict[str, Work] = {
            "one durable commit": lambda: _commits(plain),
            "release": release,
        }
        case = compare("release keys", ways, times=settings.times)
    runs = {way: tuple(_each(taken) for taken in each) for way, each in case.runs.items()}
    return replace(case, runs=runs), spent


def _requests(client: BrokerClient, first: int) -> Iterator[ReleaseRequest]:
    for number in range(first, first + BATCH):
        room = busy_room(number)
        runner = ScriptedRunner(room=room)
        asked = ChallengeRequest(contract=room.contract_digest, run=room.run_terms.run)
        nonce = client.challenge(asked).nonce
        nonces = {"hospital": nonce, "insurer": derive("a nonce of the other owner")}
        yield attest(runner, runner.runtime(nonces))


def _commits(plain: sqlite3.Connection) -> None:
    for _ in range(BATCH):
        plain.execute("INSERT INTO rows VALUES (?)", (bytes(4096),))


def _each(taken: Taken) -> Taken:
    return Taken(wall=taken.wall / BATCH, processor=taken.processor / BATCH)
