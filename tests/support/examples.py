# SPDX-License-Identifier: Apache-2.0
"""Follow an example of ``contracts/examples`` as its parties would, command by command."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command_line import Party, introduce, serving

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example: its directory and what its parties type.

    Attributes:
        directory: Where its files are.
        inputs: ``example.toml``.
    """

    directory: Path
    inputs: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> Example:
        """Read an example by name."""
        directory = EXAMPLES / name
        return cls(
            directory=directory, inputs=tomllib.loads((directory / "example.toml").read_text())
        )

    def parties(self, home: Path) -> tuple[Party, Party]:
        """Make the homes of its two parties, the author of the query last."""
        author = self.inputs["query"]["author"]
        names = sorted(self.inputs["parties"], key=lambda name: name == author)
        first, last = (Party(name=name, home=home / name).settle() for name in names)
        return first, last

    def agree(self, parties: tuple[Party, Party], room: Path) -> None:
        """Create the parties, seal every table and sign the contract."""
        introduce(parties, room)
        for party in parties:
            party.succeeds("data", "seal", *self._sealing(party), "--room", room)
        parties[1].succeeds("contract", "new", *self._contract(), "--room", room)
        for party in parties:
            party.succeeds("contract", "sign", "--room", room)

    def run(self, parties: tuple[Party, Party], room: Path) -> dict[str, Any]:
        """Submit, approve and run the query, and return what the run printed."""
        owner, author = parties
        query = self.inputs["query"]
        domains = [f"{name}={','.join(values)}" for name, values in query["parameters"].items()]
        values = [f"{name}={value}" for name, value in self.inputs["run"]["parameters"].items()]
        file = self.directory / query["file"]
        author.succeeds("query", "submit", file, *_options("--param", domains), "--room", room)
        with serving(*parties):
            owner.succeeds("query", "approve", query["name"], "--room", room)
            return author.succeeds(
                "run", query["name"], *_options("--param", values), "--room", room
            )

    def _sealing(self, party: Party) -> Iterator[str | Path]:
        for dataset in self.inputs["datasets"]:
            if Path(dataset["policy"]).name.startswith(f"{party.name}."):
                yield self.directory / dataset["file"]
                yield from ("--policy", self.directory / dataset["policy"])
                table = Path(dataset["file"]).stem
                for column, rule in dataset["normalisation"].items():
                    yield from ("--normalise", f"{table}.{column}={rule}")

    def _contract(self) -> list[str]:
        contract = self.inputs["contract"]
        return [
            *("--template", "two-party", "--platform", "simulated", "--name", contract["name"]),
            *("--purpose", contract["purpose"], "--purpose-code", contract["purpose_code"]),
            *_options("--receiver", contract["receivers"]),
            *_options("--submitter", contract["submitters"]),
        ]


def _options(option: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
