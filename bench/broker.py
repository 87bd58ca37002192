# SPDX-License-Identifier: Apache-2.0
"""Measure a key broker: releases beside one durable SQLite commit, and the memory it holds.

A release here is the whole call: documents, evidence (the simulated platform), decision,
record, log, all of it on disk before the answer. Directories lie on a real disk, because
a broker's promise is what fsync gives.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bench.measure import Case, Report, Settings, Taken, Work, compare
from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.runner.broker_client import BrokerClient
from tests.support.brokers import BrokerBench, ScriptedRunner, broker_bench
from tests.support.keys import PASSPHRASE, throwaway_party, write_profile
from tests.support.killed_brokers import room_of

BATCH = 20
DISK = "/var/tmp"


def measure_broker(settings: Settings) -> Report:
    """Measure releases on SQLite with fsync, and what a served broker keeps in memory."""
    with tempfile.TemporaryDirectory(dir=DISK) as name:
        directory = Path(name)
        case = _releases(directory / "homes", settings)
        memory = _memory(directory)
    seconds = min(taken.wall for taken in case.runs["release"])
    return Report(
        title="broker",
        data=f"Two owners, one contract, {BATCH} runs a round, a nonce and evidence each.",
        cases=(case,),
        figures={
            "releases a second, best round": f"{1 / seconds:.0f}",
            "resident memory of a served broker": f"{memory} MiB",
        },
    )


def _releases(directory: Path, settings: Settings) -> Case:
    with (
        broker_bench(directory, room_of(0)) as bench,
        closing(sqlite3.connect(directory / "plain.sqlite", isolation_level=None)) as plain,
    ):
        plain.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        plain.execute("CREATE TABLE rows (value BLOB)")
        # One more round than counts, each with requests of its own: asking again is another path.
        batches = iter([list(_requests(bench, first)) for first in _firsts(settings.times + 1)])
        ways: dict[str, Work] = {
            "one durable commit": lambda: _commits(plain),
            "release": lambda: _release(bench.brokers["hospital"], next(batches)),
        }
        case = compare("release keys", ways, times=settings.times)
    runs = {way: tuple(_each(taken) for taken in each) for way, each in case.runs.items()}
    return replace(case, runs=runs)


def _firsts(rounds: int) -> range:
    return range(0, rounds * BATCH, BATCH)


def _requests(bench: BrokerBench, first: int) -> Iterator[ReleaseRequest]:
    for number in range(first, first + BATCH):
        yield ScriptedRunner(room=room_of(number)).ask(bench)


def _release(broker: KeyBroker, requests: list[ReleaseRequest]) -> None:
    for request in requests:
        broker.release(request)


def _commits(plain: sqlite3.Connection) -> None:
    for _ in range(BATCH):
        plain.execute("INSERT INTO rows VALUES (?)", (bytes(4096),))


def _each(taken: Taken) -> Taken:
    return Taken(wall=taken.wall / BATCH, processor=taken.processor / BATCH)


def _memory(directory: Path) -> int:
    """Serve a broker as a process of its own, ask it a hundred times, and look."""
    party = throwaway_party("hospital", broker_address=f"unix:{directory}/b.sock")
    write_profile(directory / "config", party)
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE)
    os.close(writing)
    command = [sys.executable, "-m", "cleanroom.server", "--profile", "hospital"]
    command += ["--config", str(directory / "config"), "--passphrase-fd", str(reading)]
    with subprocess.Popen(command, pass_fds=[reading], stdout=subprocess.PIPE) as process:
        os.close(reading)
        if process.stdout is not None:
            process.stdout.readline()
        with BrokerClient(party.document.broker_address) as client:
            for _ in range(100):
                client.status()
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        process.terminate()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024
