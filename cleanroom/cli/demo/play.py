# SPDX-License-Identifier: Apache-2.0
"""Play the whole story once, and say what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cleanroom.cli.demo import attacks, story
from cleanroom.cli.demo.homes import broker_processes, prepare_directory
from cleanroom.cli.demo.scene import Scene
from cleanroom.cli.results import describe
from cleanroom.disclosure.result import ResultTable
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What there is to look at afterwards.

    Attributes:
        result: The result of the story's query.
        left: What lies where.
        again: A command that verifies the receipt once more.
    """

    result: ResultTable
    left: dict[str, Path]
    again: str

    def describe(self) -> dict[str, Any]:
        """Describe the ending for programs."""
        left = {what: str(path) for what, path in self.left.items()}
        return {"result": describe(self.result), "left": left, "again": self.again}

    def text(self) -> str:
        """Describe the ending for people."""
        width = max(len(what) for what in self.left)
        lines = [f"    {what.ljust(width)}  {path}" for what, path in self.left.items()]
        return "\n".join(
            ["Left for you to look at:", *lines, "Verify the receipt again:", f"    {self.again}"]
        )


def play(scene: Scene, *, seed: int) -> Ending:
    """Play every chapter, then every attempt.

    Raises:
        CleanroomError: Whatever stopped the line, as it would stop a real one.
    """
    scene.require_platform()
    prepare_directory(scene.directory)
    scene.write_documents()
    cast = story.make_keys(scene)
    story.seal_data(scene, cast, seed=seed)
    story.sign_contract(scene, cast)
    with broker_processes(scene.homes) as pids:
        story.tell_brokers(scene, pids)
        story.submit_and_approve(scene, cast)
        verified = story.run(scene, cast)
        table = story.open_result(scene, cast, verified)
        story.verify(scene, cast, verified)
        attacks.try_all(scene, cast, verified)
    return _ending(scene, verified.body.run, table)


def _ending(scene: Scene, run: str, table: ResultTable) -> Ending:
    receipt = scene.room / "runs" / run / "receipt.json"
    hospital, insurer = scene.homes
    left = {
        "the room": scene.room,
        "the contract": scene.room / "contract.toml",
        "the receipt": receipt,
        "the hospital's home": hospital.directory,
        "the insurer's home": insurer.directory,
        "policies and queries": scene.documents,
        "plain invented data": scene.data,
        "the attacked copy": scene.attacked,
        "the modified runner": scene.directory / "modified-runner",
    }
    again = f"XDG_CONFIG_HOME={hospital.directory} cleanroom verify {receipt}"
    return Ending(result=table, left=left, again=again)
