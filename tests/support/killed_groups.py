# SPDX-License-Identifier: Apache-2.0
"""Kill a broker while it records requests together, and look for answers it has forgotten.

Run as ``python -m tests.support.killed_groups DIRECTORY ROUNDS``. Each round forks a child
that asks one broker for the keys of several runs at once, from a thread each, and tells
every answer through a pipe. It is killed at a moment that differs every round. Then the
home is opened again and every run is asked for again.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.kernel.digest import Digest
from tests.support.brokers import BrokerBench, ScriptedRunner, read_release, require_logged
from tests.support.killed_brokers import SPREAD, kill_child, room_of, tell

TOGETHER = 6
BEGINNING = b"\xff"


def requests_of(bench: BrokerBench, number: int) -> list[ReleaseRequest]:
    """Attest the runs of one round, a fresh nonce each."""
    broker = bench.open("hospital")
    rooms = [room_of(number * TOGETHER + place) for place in range(TOGETHER)]
    runners = [ScriptedRunner(room=room) for room in rooms]
    asked = [
        runner.request(runner.runtime(runner.nonces({"hospital": broker}))) for runner in runners
    ]
    broker.close()
    return asked


def ask_all(bench: BrokerBench, requests: list[ReleaseRequest], pipe: int) -> None:
    """Ask for all at once; tell each answer when it comes."""
    broker = bench.open("hospital")
    tell(pipe, BEGINNING, b"")

    def ask(place: int) -> None:
        tell(pipe, bytes([place]), broker.release(requests[place]).statement.payload)

    with ThreadPoolExecutor(TOGETHER) as threads:
        list(threads.map(ask, range(TOGETHER)))


def inspect(
    bench: BrokerBench, requests: list[ReleaseRequest], told: dict[bytes, Digest], *, uses: int
) -> None:
    """Ask for every run again: what was answered is the same, and each run cost one use."""
    with bench.open("hospital") as broker:
        counted = []
        for place, request in enumerate(requests):
            logged = broker.release(request)
            require_logged(bench.room, "hospital", logged)
            answered = told.get(bytes([place]))
            assert answered in {None, Digest.of(logged.statement.payload)}, "another statement"
            counted.append(read_release(bench.room, "hospital", logged).uses.used)
        assert sorted(counted) == list(range(uses + 1, uses + TOGETHER + 1)), counted
        assert broker.status().log_size == uses + TOGETHER


def main() -> None:
    """Run all rounds; an assertion that fails ends the process."""
    directory, rounds = Path(sys.argv[1]), int(sys.argv[2])
    bench = BrokerBench(path=directory, room=room_of(0))
    bench.install_keys()
    requests = requests_of(bench, 0)
    began = time.monotonic()
    inspect(bench, requests, {}, uses=0)
    usual = time.monotonic() - began
    heard = []
    for number in range(1, rounds + 1):
        requests = requests_of(bench, number)
        told = dict(
            kill_child(
                lambda pipe, asked=requests: ask_all(bench, asked, pipe),  # type: ignore[misc]
                target=BEGINNING,
                delay=usual * SPREAD * number / rounds,
            )
        )
        told.pop(BEGINNING, None)
        heard.append(len(told))
        inspect(bench, requests, told, uses=number * TOGETHER)
    sys.stdout.write(f"cut {sum(count < TOGETHER for count in heard)}\n")
    sys.stdout.write(f"answered {sum(heard)}\n")


if __name__ == "__main__":
    main()
