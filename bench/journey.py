# SPDX-License-Identifier: Apache-2.0
"""What a person waits for: help, a tiny query from the command to the verified result, the demo.

Every figure is a whole process, started cold, with
the runner, its query child and both owners' brokers in processes of their own. Every
counted ``run`` asks about a year that was never asked about: a question asked again is
answered with what was released, computes nothing, and is a row of its own. The tables
have a thousand rows a year and 650, so nearly all of it is start-up.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Case, Report, Settings, Taken, Work, compare, stopwatch, told

EXAMPLE = Path(__file__).parents[1] / "contracts" / "examples" / "health"
CLI = (sys.executable, "-m", "cleanroom.cli")
RULE = ("--normalise", "email=email-sha256")
FIRST_YEAR = 2000
MAX_STAYS_A_YEAR = 10  # of one person, over what the example has
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


def years_of(rounds: int) -> tuple[str, ...]:
    """Give a year for every round, counted or not."""
    return tuple(str(FIRST_YEAR + number) for number in range(rounds))


def write_stays(path: Path, years: Sequence[str]) -> None:
    """Write the example's stays of 2025 once for each year."""
    with (EXAMPLE / "data/stays.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        names, stays = (
            list(reader.fieldnames or ()),
            [row for row in reader if row["year"] == "2025"],
        )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for year in years:
            writer.writerows(
                {**stay, "stay_id": f"{year}{number:05}", "year": year}
                for number, stay in enumerate(stays)
            )


def _write_sources(directory: Path, years: Sequence[str]) -> None:
    write_stays(directory / "stays.csv", years)
    shutil.copy(EXAMPLE / "data/members.csv", directory)
    policy = (EXAMPLE / "policies/hospital.stays.toml").read_text()
    most = f"max_rows = {MAX_STAYS_A_YEAR * len(years)}"
    (directory / "hospital.stays.toml").write_text(policy.replace("max_rows = 60", most))
    shutil.copy(EXAMPLE / "policies/insurer.members.toml", directory)


def prepare(directory: Path, years: Sequence[str]) -> tuple[Party, Party, Path]:
    """Walk the journey up to two signed contracts over stays in those years."""
    _write_sources(directory, years)
    hospital, insurer = Party("hospital", directory), Party("insurer", directory)
    room = directory / "room"
    for party in (hospital, insurer):
        party.types("init", party.name, "--room", room)
    for party, other in ((hospital, insurer), (insurer, hospital)):
        document = room / "parties" / f"{other.name}.toml"
        party.types("party", "trust", document, "--fingerprint", _fingerprint(document))
    for party, table in ((hospital, "stays"), (insurer, "members")):
        policy = directory / f"{party.name}.{table}.toml"
        source = directory / f"{table}.csv"
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
    # One round of ``compare`` is not counted, and asks as well; the second half of the
    # years is for runners that wait.
    years = years_of(2 * (settings.times + 1))
    cold = years[: settings.times + 1]
    with tempfile.TemporaryDirectory(prefix="cr") as place:
        hospital, insurer, room = prepare(Path(place), years)
        with hospital.serving(), insurer.serving():
            cases = [_beside("query submit", lambda: _submit(insurer, room, years), settings)]
            hospital.types("query", "approve", "programmes", "--room", room)
            cases += [
                _beside(
                    "run, to the verified result", _new_questions(insurer, room, cold), settings
                ),
                _beside("run, repeated", lambda: _ask(insurer, room, years[0]), settings),
            ]
            cases.append(_on_waiting_runners(insurer, room, years[len(cold) :]))
        _require_answered(room, {"computed": len(years), "stored": len(cold)})
        receipt = next((room / "runs").glob("*/receipt.json"))
        cases += [
            _beside("verify", lambda: insurer.types("verify", receipt), settings),
            _beside("--help", lambda: insurer.types("--help"), settings),
        ]
    demo = {"cleanroom demo": f"{_demo():.1f} s, once"}
    data = (
        f"The example's stays of 2025 in {len(years)} years, and its members; every command cold."
    )
    return Report(title="start-up", data=data, cases=tuple(cases), figures=demo)


def _submit(insurer: Party, room: Path, years: Sequence[str]) -> None:
    sql, domain = EXAMPLE / "programmes.sql", f"year={','.join(years)}"
    insurer.types("query", "submit", sql, "--param", domain, "--room", room)


def _new_questions(insurer: Party, room: Path, years: Sequence[str]) -> Work:
    unasked = iter(years)
    return lambda: _ask(insurer, room, next(unasked))


def _ask(insurer: Party, room: Path, year: str) -> None:
    insurer.types("run", "programmes", "--param", f"year={year}", "--room", room)


def _on_waiting_runners(insurer: Party, room: Path, years: Sequence[str]) -> Case:
    """Time what one process with open keys waits for when its runners have loaded before."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.waiting", insurer.name, str(room), *years],
        cwd=Path(__file__).parents[1],
        env=insurer.environment,
        input=PASSPHRASE.encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    taken = [Taken(**run) for run in json.loads(done.stdout)]
    name = "run, on a runner that waits"
    ways = {"python -c 'import click'": [stopwatch(_import_click) for _ in taken], name: taken}
    return told(Case(name=name, runs={way: tuple(runs[1:]) for way, runs in ways.items()}))


def _require_answered(room: Path, expected: Mapping[str, int]) -> None:
    # A row that says "run" over answers from the history would measure nothing.
    found = Counter(answered(path.read_bytes()) for path in (room / "runs").glob("*/receipt.json"))
    if found != expected:
        sys.exit(f"runs: {dict(expected)} meant, receipts say {dict(found)}")


def answered(receipt: bytes) -> str:
    """Read from a receipt how its run was answered."""
    payload = json.loads(base64.b64decode(json.loads(receipt)["payload"]))
    return str(payload["predicate"]["answered"])


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
