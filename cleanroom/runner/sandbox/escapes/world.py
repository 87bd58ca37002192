# SPDX-License-Identifier: Apache-2.0
"""What an attempt is told: where the things lie that it tries to reach."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from enum import Enum
from typing import TypeAlias

from cleanroom.kernel.record import dataclass

SECRET = "cleanroom-self-test-secret"  # noqa: S105 - bait, and nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Bait that the self-test lays out; an attempt that can touch any of it got out.

    Attributes:
        runner: Process that started the child.
        directory: A directory where everybody may write.
        secret_file: A file in it that everybody can read.
        unix_path: A listening socket in it.
        unix_name: A listening socket without a file.
        tcp_port: A listening socket on the loopback address.
        udp_port: Likewise.
        secret_address: Where the secret lies in the memory of the runner.
        secret_descriptor: An open file of the runner that the child was not given.
        table: A sealed table that the child was given.
        answer: Where the child writes its answer.
    """

    runner: int
    directory: str
    secret_file: str
    unix_path: str
    unix_name: str
    tcp_port: int
    udp_port: int
    secret_address: int
    secret_descriptor: int
    table: int
    answer: int = -1

    def encode(self, attempt: str) -> bytes:
        """Write the world and the name of an attempt for the child."""
        return json.dumps({"attempt": attempt, "world": asdict(self)}).encode()


def decode(data: bytes, *, answer: int) -> tuple[str, World]:
    """Read what :meth:`World.encode` wrote."""
    value = json.loads(data)
    return value["attempt"], replace(World(**value["world"]), answer=answer)


class Control(Enum):
    """Whether an attempt also runs without a kernel sandbox, to show that it can succeed."""

    SAFE = "safe"
    WOULD_HARM = "would harm the machine"


Try: TypeAlias = Callable[[World], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt.

    Attributes:
        area: What it goes for.
        text: What it does, in a few words.
        run: Returns something true if it reached something.
        control: Whether it may run unconfined.
    """

    area: str
    text: str
    run: Try
    control: Control = Control.SAFE

    @property
    def name(self) -> str:
        """Its name among all attempts."""
        return f"{self.area}: {self.text}"


def attempts(
    area: str, *entries: tuple[str, Try] | tuple[str, Try, Control]
) -> tuple[Attempt, ...]:
    """List the attempts of one area."""
    return tuple(
        Attempt(area=area, text=text, run=run, control=control[0] if control else Control.SAFE)
        for text, run, *control in entries
    )
