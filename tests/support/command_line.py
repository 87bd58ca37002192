# SPDX-License-Identifier: Apache-2.0
"""Type commands as a party: its own home, its own passphrase, no terminal.

``Party.types`` runs the command line inside this process, which is quick;
``Party.program`` runs it as the program that a person starts.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    load_ssh_private_key,
)

from cleanroom.cli.main import run
from cleanroom.identity.profile_file import SIGNING_KEY_FILE

PASSPHRASE = b"correct horse battery staple\n"
START_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        return json.loads(self.out)

    @property
    def code(self) -> str:
        """The stable code of the error on stdout."""
        return self.json["error"]["code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Somebody who types commands.

    Attributes:
        name: The party.
        home: Its own directory.
    """

    name: str
    home: Path

    @property
    def passphrase_file(self) -> Path:
        """Where its passphrase is."""
        return self.home / "passphrase"

    def settle(self) -> Party:
        """Make the home and the passphrase file."""
        self.home.mkdir(parents=True)
        self.passphrase_file.touch(mode=0o600)
        self.passphrase_file.write_bytes(PASSPHRASE)
        return self

    def eases_its_key(self) -> None:
        """Rewrite the signing key after ``init``, as ``ssh-keygen -p -a 1`` does.

        Under the rounds that ``init`` chose each signature takes most of a second; the demo
        and the tests at a terminal sign with those.
        """
        place = self.home / "cleanroom" / self.name / SIGNING_KEY_FILE
        passphrase = PASSPHRASE.rstrip()
        quick = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(passphrase)
        key = load_ssh_private_key(place.read_bytes(), passphrase)
        place.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, quick))

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see."""
        return {
            "PATH": os.environ["PATH"],
            "XDG_CONFIG_HOME": str(self.home),
            "CLEANROOM_PASSPHRASE_FILE": str(self.passphrase_file),
        }

    def types(self, *arguments: str | Path) -> Done:
        """Run a command in this process, without a terminal."""
        out, err = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.environment, clear=True),
            patch.object(sys, "stdin", io.StringIO()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = run([str(argument) for argument in arguments])
        return Done(status=status, out=out.getvalue(), err=err.getvalue())

    def succeeds(self, *arguments: str | Path) -> dict[str, Any]:
        """Run a command with ``--json`` that must succeed, and return its object."""
        done = self.types(*arguments, "--json")
        assert done.status == 0, done.out
        return done.json

    def refused(self, *arguments: str | Path) -> Done:
        """Run a command with ``--json`` that must fail."""
        done = self.types(*arguments, "--json")
        assert done.status != 0, done.out
        return done

    def program(self, *arguments: str | Path, **options: Any) -> Done:
        """Run the program as a person starts it."""
        done = subprocess.run(
            [sys.executable, "-m", "cleanroom.cli", *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            **options,
        )
        return Done(status=done.returncode, out=done.stdout, err=done.stderr)


@contextmanager
def serving(
    *parties: Party, options: Mapping[str, Sequence[str | Path]] = MappingProxyType({})
) -> Iterator[None]:
    """Serve each party's broker as the program does, until the block ends.

    Args:
        parties: Whose brokers.
        options: More arguments of ``broker serve``, by party.
    """
    with ExitStack() as stack:
        processes = [
            _start(party, stack, ("broker", "serve", *options.get(party.name, ())))
            for party in parties
        ]
        _wait(processes)
        yield


@contextmanager
def serving_hub(operator: Party, *options: str | Path) -> Iterator[None]:
    """Serve a hub as the program does, until the block ends."""
    with ExitStack() as stack:
        _wait([_start(operator, stack, ("hub", "serve", *options))])
        yield


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], START_SECONDS)[0]
        assert process.stdout.readline(), "it did not start"


def _start(
    party: Party, stack: ExitStack, arguments: Sequence[str | Path]
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cleanroom.cli", *map(str, arguments), "--stop-with-stdin"]
    process = subprocess.Popen(
        command,
        env=party.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(timeout=START_SECONDS)
    process.stdout.close()


EXAMPLE = Path(__file__).parents[2] / "contracts" / "examples" / "health"
TABLES = {"hospital": "stays", "insurer": "members"}


def two_parties(directory: Path) -> tuple[Party, Party]:
    """Make the homes of the hospital and of the insurer; nothing is typed yet."""
    hospital, insurer = (
        Party(name=name, home=directory / name).settle() for name in ("hospital", "insurer")
    )
    return hospital, insurer


def introduce(
    parties: tuple[Party, Party],
    room: Path,
    *,
    addresses: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Create both parties and let each pin the other after comparing fingerprints."""
    told = {}
    for party in parties:
        address = ("--broker-address", addresses[party.name]) if addresses else ()
        done = party.succeeds("init", party.name, *address, "--room", room)
        told[party.name] = done["fingerprint"]
        party.eases_its_key()
    for party, other in zip(parties, reversed(parties), strict=True):
        document = room / "parties" / f"{other.name}.toml"
        party.succeeds("party", "trust", document, "--fingerprint", told[other.name])


def seal_example(party: Party, room: Path) -> None:
    """Seal the party's table of the health example."""
    table = TABLES[party.name]
    policy = EXAMPLE / "policies" / f"{party.name}.{table}.toml"
    source = EXAMPLE / "data" / f"{table}.csv"
    rule = ("--normalise", "email=email-sha256")
    party.succeeds("data", "seal", source, "--policy", policy, *rule, "--room", room)


def agree_on_example(
    parties: tuple[Party, Party],
    room: Path,
    *,
    addresses: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Go through the journey up to a contract that both have signed."""
    introduce(parties, room, addresses=addresses)
    for party in parties:
        seal_example(party, room)
    parties[1].succeeds(
        *("contract", "new", "--template", "two-party", "--platform", "simulated"),
        *("--receiver", "insurer", "--name", "follow-up-2026", "--room", room),
    )
    for party in parties:
        party.succeeds("contract", "sign", "--room", room)
