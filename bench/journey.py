# SPDX-License-Identifier: Apache-2.0
"""What a person waits for: help, a tiny query from the command to the verified result, the demo.

Run as ``python -m bench.journey``. Every figure is a whole process, started cold, with
the runner, its query child and both owners' brokers in processes of their own. The
example's tables have 1,500 and 650 rows, so nearly all of it is start-up.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import machine

EXAMPLE = Path(__file__).parents[1] / "contracts" / "examples" / "health"
CLI = (sys.executable, "-m", "cleanroom.cli")
RULE = ("--normalise", "email=email-sha256")
PASSPHRASE = "a passphrase for measuring\n"  # noqa: S105 - of keys that are thrown away


class Party:
    """One party with a home of its own."""

    def __init__(self, name: str, directory: Path) -> None:
        """Make the home."""
        self.name = name
        self.home = directory / name
        self.home.mkdir(parents=True)
        self.file = self.home / "passphrase"
        self.file.write_text(PASSPHRASE)
        self.file.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see."""
        return {
            **os.environ,
            "XDG_CONFIG_HOME": str(self.home),
            "CLEANROOM_PASSPHRASE_FILE": str(self.file),
        }

    def types(self, *arguments: str | Path) -> float:
        """Run a command and return its seconds."""
        started = time.perf_counter()
        done = subprocess.run(
            [*CLI, *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stdout.decode() + done.stderr.decode())
        return time.perf_counter() - started

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve the party's broker until the block ends."""
        process = subprocess.Popen(
            [*CLI, "broker", "serve", "--stop-with-stdin"],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            (process.stdout or sys.stdin).readline()
            yield
        finally:
            process.communicate()


def prepare(directory: Path) -> tuple[Party, Party, Path]:
    """Walk the journey up to two signed contracts."""
    hospital, insurer = Party("hospital", directory), Party("insurer", directory)
    room = directory / "room"
    for party in (hospital, insurer):
        party.types("init", party.name, "--room", room)
    for party, other in ((hospital, insurer), (insurer, hospital)):
        document = room / "parties" / f"{other.name}.toml"
        party.types("party", "trust", document, "--fingerprint", _fingerprint(document))
    for party, table in ((hospital, "stays"), (insurer, "members")):
        policy = EXAMPLE / "policies" / f"{party.name}.{table}.toml"
        source = EXAMPLE / "data" / f"{table}.csv"
        party.types("data", "seal", source, "--policy", policy, *RULE, "--room", room)
    draft = ("--template", "two-party", "--platform", "simulated", "--receiver", "insurer")
    hospital.types("contract", "new", *draft, "--room", room)
    for party in (hospital, insurer):
        party.types("contract", "sign", "--room", room)
    return hospital, insurer, room


def _fingerprint(document: Path) -> str:
    return f"sha256:{hashlib.sha256(document.read_bytes()).hexdigest()}"


def measure_journey(times: int) -> dict[str, list[float]]:
    """Time the steps around one tiny query."""
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)

    with tempfile.TemporaryDirectory(prefix="cr") as place:
        hospital, insurer, room = prepare(Path(place))
        at_room = ("--room", room)
        sql = EXAMPLE / "programmes.sql"
        with hospital.serving(), insurer.serving():
            for _ in range(times):
                submitted = insurer.types(
                    "query", "submit", sql, "--param", "year=2024,2025", *at_room
                )
                hospital.types("query", "approve", "programmes", *at_room)
                ran = insurer.types("run", "programmes", "--param", "year=2025", *at_room)
                note("cleanroom query submit", submitted)
                note("cleanroom run, to the verified result", ran)
                note("submit and run", submitted + ran)
        receipt = next((room / "runs").glob("*/receipt.json"))
        for _ in range(times):
            note("cleanroom verify", insurer.types("verify", receipt))
            note("cleanroom --help", insurer.types("--help"))
            note("python -c 'import click'", _plain("import click"))
    return found


def _plain(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def measure_demo(times: int) -> list[float]:
    """Time the whole demo."""
    seconds = []
    for _ in range(times):
        with tempfile.TemporaryDirectory(prefix="cr") as place:
            started = time.perf_counter()
            subprocess.run(
                [*CLI, "demo", "--directory", f"{place}/demo"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            seconds.append(time.perf_counter() - started)
    return seconds


def main(arguments: Sequence[str]) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="bench.journey")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--demo", type=int, default=1, help="How often to run the demo.")
    options = parser.parse_args(arguments)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    figures = measure_journey(options.times)
    if options.demo:
        figures["cleanroom demo"] = measure_demo(options.demo)
    print("\n| what | median s | least | most |\n|---|---|---|---|")
    for name, seconds in figures.items():
        middle = statistics.median(seconds)
        print(f"| {name} | {middle:.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
