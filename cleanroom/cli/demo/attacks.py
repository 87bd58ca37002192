# SPDX-License-Identifier: Apache-2.0
"""Four attempts that must fail, each through the real path.

Three tamper with a copy of the room, so that what the demo leaves behind is genuine.
An attempt that succeeds ends the demo with an error.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cleanroom
from cleanroom import room as line
from cleanroom.cli.demo.scene import Cast, Scene
from cleanroom.cli.demo.story import CHOSEN, QUERY, agree_query
from cleanroom.cli.proposing import propose
from cleanroom.cli.results import withheld_lines
from cleanroom.errors import CleanroomError, IntegrityError, UnavailableError, from_wire
from cleanroom.identity.pins import load_pins
from cleanroom.kernel.canonical import canonical_json
from cleanroom.receipt.verify import VerifiedReceipt

RUN_SECONDS = 120


def try_all(scene: Scene, cast: Cast, verified: VerifiedReceipt) -> None:
    """Make every attempt and show how it is refused.

    Raises:
        IntegrityError: An attempt succeeded.
    """
    shutil.copytree(scene.room, scene.attacked)
    single_out(scene, cast)
    change_code(scene, cast)
    change_runner(scene, cast)
    change_receipt(scene, cast, verified)


def single_out(scene: Scene, cast: Cast) -> None:
    """Ask about one person, then about groups so small that each is nearly one."""
    scene.narrator.chapter(
        "Attempt: a query that singles out a person",
        "The insurer asks what one patient cost. Then it asks for groups of one or two.",
    )
    _refused(scene, lambda: _submit(scene, cast, "one_person.sql"), rule="admission.")
    with scene.narrator.working("running"):
        query = agree_query(scene, cast, "groups_of_few.sql", parameters={})
        insurer = cast.insurer
        verified = line.run_query(
            insurer.profile,
            insurer.unlocked.signer,
            room=scene.room,
            query=query.name,
            parameters={},
            receivers=("insurer",),
            progress=lambda _stage: None,
        )
    table = line.open_result(insurer.profile, insurer.unlocked, verified, room=scene.room)
    shown = "nothing" if not table.rows else "only groups that are large enough"
    scene.narrator.fact(f"groups of few: {shown} came out; " + "; ".join(withheld_lines(table)))


def change_code(scene: Scene, cast: Cast) -> None:
    """Change one byte of approved SQL in the room, as its operator could."""
    scene.narrator.chapter(
        "Attempt: code changed by one byte after approval",
        "Whoever hosts the room changes 'sum' into 'Sum' in the approved file.",
    )
    code = scene.attacked / "queries" / QUERY / "query.sql"
    approved = code.read_bytes()
    code.write_bytes(approved.replace(b"sum(", b"Sum(", 1))
    try:
        _refused(scene, lambda: _run(scene.attacked, cast), rule="room.other-bytes")
    finally:
        code.write_bytes(approved)


def change_runner(scene: Scene, cast: Cast) -> None:
    """Run a copy of this software that differs by one comment."""
    scene.narrator.chapter(
        "Attempt: a runner that the contract does not name",
        "The operator starts a copy of the runner with one more comment in one file. It "
        "could as well have a line that copies the keys, so the brokers refuse it.",
    )
    python = _modified_installation(scene.directory / "modified-runner")
    with scene.narrator.working("running the modified runner"):
        _refused(scene, lambda: _run_with(python, scene, cast), rule="attestation.measurement")


def change_receipt(scene: Scene, cast: Cast, verified: VerifiedReceipt) -> None:
    """Claim in the receipt that another parameter value was used."""
    scene.narrator.chapter(
        "Attempt: a tampered receipt",
        "Somebody rewrites the receipt so that it tells of another period than was asked for.",
    )
    receipt = scene.attacked / "runs" / verified.body.run / "receipt.json"
    envelope = json.loads(receipt.read_bytes())
    payload = base64.b64decode(envelope["payload"])
    forged = payload.replace(f'"since":"{CHOSEN}"'.encode(), b'"since":"2025-01"')
    envelope["payload"] = base64.b64encode(forged).decode()
    receipt.write_bytes(canonical_json(envelope))
    pins = load_pins(cast.hospital.profile.pins_directory)
    _refused(scene, lambda: line.verify(receipt, trust=pins), rule="dsse.")


def _refused(scene: Scene, attempt: Callable[[], object], *, rule: str) -> None:
    try:
        attempt()
    except CleanroomError as error:
        # Refused for another reason proves nothing about this attack.
        if not error.code.startswith(rule):
            raise
        scene.narrator.fact(f"refused ({error.code}): {error.message}", red=True)
        if error.hint:
            scene.narrator.fact(f"hint: {error.hint}")
        return
    raise IntegrityError(
        "demo: an attack succeeded, agreed that it is refused",
        code="demo.attack",
        hint="do not use this installation for real data; report it as SECURITY.md says",
    )


def _submit(scene: Scene, cast: Cast, file: str) -> None:
    proposal = propose(scene.documents / file, parameters={}, receivers=("insurer",))
    insurer = cast.insurer
    line.submit_query(insurer.profile, insurer.unlocked.signer, room=scene.room, proposal=proposal)


def _run(room: Path, cast: Cast) -> None:
    line.run_query(
        cast.insurer.profile,
        cast.insurer.unlocked.signer,
        room=room,
        query=QUERY,
        parameters={"since": CHOSEN},
        receivers=("insurer",),
        progress=lambda _stage: None,
    )


def _modified_installation(directory: Path) -> Path:
    """Copy the installed package with one more comment, and return its interpreter.

    The copy is found before the genuine package because it lies in the interpreter's own
    directory of packages; everything else comes from where it is installed.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = directory / "lib" / version / "site-packages"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(cleanroom.__file__).parent, packages / "cleanroom", ignore=ignored)
    with (packages / "cleanroom" / "runner" / "__init__.py").open("a") as module:
        module.write("#\n")
    installed = [path for path in sys.path if path.endswith("-packages")]
    (packages / "genuine.pth").write_text("".join(f"{path}\n" for path in installed))
    (directory / "bin").mkdir()
    python = directory / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    (directory / "pyvenv.cfg").write_text(f"home = {python.resolve().parent}\n")
    return python


def _run_with(python: Path, scene: Scene, cast: Cast) -> None:
    home = cast.insurer.home
    arguments = ["run", QUERY, "--param", f"since={CHOSEN}", "--room", str(scene.room), "--json"]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [
            str(python.absolute()),
            "-P",
            "-m",
            "cleanroom.cli",
            *arguments,
            "--passphrase-file",
            str(home.passphrase_file),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**home.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=RUN_SECONDS,
        check=False,
        cwd=os.sep,
    )
    if done.returncode == 0:
        return
    try:
        error = json.loads(done.stdout)["error"]
    except (ValueError, KeyError):
        raise UnavailableError(
            "modified runner: ended without an answer", code="demo.no-answer"
        ) from None
    raise from_wire("", code=error["code"], message=error["message"], hint=error["hint"])
