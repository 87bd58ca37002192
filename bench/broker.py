# SPDX-License-Identifier: Apache-2.0
"""Measure a key broker: releases beside one durable SQLite commit, and the memory it holds.

A release here is the whole call over loopback: a signed request, documents, the quote of
a software TPM, decision, record, log, all of it on disk before the answer. The broker is a
process of its own, and so is whoever asks, with requests that were signed before; nonces
were asked for before as well. Directories lie on a real disk, because a broker's promise is
what fsync gives.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.asking import ask, signed_request
from bench.measure import Case, Report, Settings, Taken, Work, compare, told
from bench.served_broker import PLATFORM, attest, busy_room
from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.contract.broker_wire import encode_release_request
from cleanroom.contract.introduction import Introduction
from cleanroom.runner.broker_client import BrokerClient
from tests.support.brokers import ScriptedRunner, TickingClock
from tests.support.keys import derive
from tests.support.served_brokers import caller_of, free_loopback_address

BATCH = 96  # of a round at scale 1 and above
CALLERS = 24
DISK = "/var/tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    address: str
    pid: int

    def processor(self) -> tuple[float, ...]:
        """Return the seconds of processor that each of its processes has used."""
        return tuple(_processor(pid) for pid in self.processes)

    @property
    def processes(self) -> tuple[int, ...]:
        """The process with the keys, and the one in front of it."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return self.pid, *(int(child) for child in children)

    def memory(self) -> tuple[int, ...]:
        """Return the largest resident memory of each process so far, in MiB."""
        return tuple(_memory(pid) for pid in self.processes)


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def batch_of(settings: Settings) -> int:
    """How many runs a round has: every caller has one, however small the scale."""
    return max(CALLERS, min(BATCH, int(BATCH * settings.scale)))


def measure_broker(settings: Settings) -> Report:
    """Measure releases on SQLite with fsync, and what a served broker keeps in memory."""
    with tempfile.TemporaryDirectory(dir=DISK) as name, ExitStack() as stack:
        directory = Path(name)
        served = stack.enter_context(_broker(directory / "homes"))
        plain = stack.enter_context(
            closing(sqlite3.connect(directory / "plain.sqlite", isolation_level=None))
        )
        case, spent, asking = _releases(served, plain, settings)
        memory = served.memory()
    return Report(
        title="broker",
        data=f"Two owners, one contract, {batch_of(settings)} runs a round from {CALLERS} callers, "
        f"a nonce and evidence ({PLATFORM}) each.",
        cases=(case,),
        figures={
            "releases a second, best round": f"{1 / min(t.wall for t in case.runs['release']):.0f}",
            "processor of the broker for one, least": f"{min(map(sum, spent)) * 1000:.1f} ms",
            "of that the process with the keys": f"{min(spent)[0] * 1000:.1f} ms",
            "processor of whoever asks for one, least": f"{min(asking) * 1000:.1f} ms",
            "largest resident memory of the process with the keys": f"{memory[0]} MiB",
            "largest resident memory of the process in front of it": f"{memory[1]} MiB",
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
) -> tuple[Case, list[tuple[float, ...]], list[float]]:
    plain.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
    plain.execute("CREATE TABLE rows (value BLOB)")
    spent: list[tuple[float, ...]] = []
    asking: list[Taken] = []
    batch = batch_of(settings)
    clock = TickingClock()
    caller = caller_of(busy_room(0).parties["insurer"], clock)
    with BrokerClient(served.address, caller=caller, clock=clock) as client:
        # One more round than counts, each with requests of its own: asking again is another path.
        batches = iter(
            [
                list(_requests(client, caller, served.address, range(first, first + batch)))
                for first in range(0, (settings.times + 1) * batch, batch)
            ]
        )

        def release() -> None:
            before = served.processor()
            asking.append(ask(served.address, next(batches), callers=CALLERS))
            spent.append(
                tuple(
                    (now - then) / batch
                    for now, then in zip(served.processor(), before, strict=True)
                )
            )

        ways: dict[str, Work] = {
            "one durable commit": lambda: _commits(plain, batch),
            "release": release,
        }
        case = compare("release keys", ways, times=settings.times)
        # Every answer said 200, and as many statements stand in the log.
        if client.status().log_size != (settings.times + 1) * batch:
            raise SystemExit("the log holds another number of statements")
    counted = {**case.runs, "release": tuple(asking[1:])}
    runs = {way: tuple(_each(taken, batch) for taken in each) for way, each in counted.items()}
    return told(replace(case, runs=runs)), spent, [each.processor / batch for each in asking]


def _requests(
    client: BrokerClient, caller: Introduction, address: str, numbers: range
) -> Iterator[bytes]:
    for number in numbers:
        room = busy_room(number)
        runner = ScriptedRunner(room=room)
        asked = ChallengeRequest(contract=room.contract_digest, run=room.run_terms.run)
        nonce = client.challenge(asked).nonce
        nonces = {"hospital": nonce, "insurer": derive("a nonce of the other owner")}
        body = encode_release_request(attest(runner, runner.runtime(nonces)))
        # The served broker's clock stands still, so a signature does not grow old.
        yield signed_request(
            address, "POST", "/v0/release", body, caller=caller, clock=TickingClock()
        )


def _commits(plain: sqlite3.Connection, batch: int) -> None:
    for _ in range(batch):
        plain.execute("INSERT INTO rows VALUES (?)", (bytes(4096),))


def _each(taken: Taken, batch: int) -> Taken:
    return Taken(wall=taken.wall / batch, processor=taken.processor / batch)
