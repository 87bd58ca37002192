# SPDX-License-Identifier: Apache-2.0
"""What a person waits for: help, a tiny query from the command to the verified result, the demo.

Every figure is a whole process, started cold, with
the runner, its query child and both owners' brokers in processes of their own. The
example's tables have 2,000 and 650 rows, so nearly all of it is start-up.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Case, Report, Settings, Work, compare

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


def measure_start_up(settings: Settings) -> Report:
    """Time the steps around one tiny query, beside the least that a process costs."""
    with tempfile.TemporaryDirectory(prefix="cr") as place:
        hospital, insurer, room = prepare(Path(place))
        with hospital.serving(), insurer.serving():
            cases = [
                _beside("query submit", lambda: _submit(insurer, room), settings),
                _beside(
                    "run, to the verified result", lambda: _run(hospital, insurer, room), settings
                ),
            ]
        receipt = next((room / "runs").glob("*/receipt.json"))
        cases += [
            _beside("verify", lambda: insurer.types("verify", receipt), settings),
            _beside("--help", lambda: insurer.types("--help"), settings),
        ]
    demo = {"cleanroom demo": f"{_demo():.1f} s, once"}
    data = "The example of contracts/examples/health: 2,000 and 650 rows; every command cold."
    return Report(title="start-up", data=data, cases=tuple(cases), figures=demo)


def _submit(insurer: Party, room: Path) -> None:
    sql = EXAMPLE / "programmes.sql"
    insurer.types("query", "submit", sql, "--param", "year=2024,2025", "--room", room)


def _run(hospital: Party, insurer: Party, room: Path) -> None:
    if not list((room / "queries/programmes").glob("**/hospital.*")):
        hospital.types("query", "approve", "programmes", "--room", room)
    insurer.types("run", "programmes", "--param", "year=2025", "--room", room)


def _beside(name: str, work: Work, settings: Settings) -> Case:
    ways = {"python -c 'import click'": _import_click, f"cleanroom {name}": work}
    return compare(name, ways, times=settings.times)


def _import_click() -> None:
    subprocess.run([sys.executable, "-c", "import click"], check=True)


def _demo() -> float:
    with tempfile.TemporaryDirectory(prefix="cr") as place:
        started = time.perf_counter()
        subprocess.run(
            [*CLI, "demo", "--directory", f"{place}/demo"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - started
