# SPDX-License-Identifier: Apache-2.0
"""The demo: one command, the real path, four attempts that fail."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Done, Party
from tests.support.swtpm import require_program

ATTEMPTS = (
    ("singles out a person", "admission.compare-literal"),
    ("changed by one byte", "room.other-bytes"),
    ("runner that the contract does not name", "attestation.measurement"),
    ("tampered receipt", "dsse."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One showing of the demo, and what it left."""

    directory: Path
    done: Done

    @property
    def story(self) -> dict[str, Any]:
        return self.done.json

    def facts(self, title: str) -> str:
        (chapter,) = [one for one in self.story["chapters"] if title in one["title"]]
        return "\n".join(chapter["facts"])


def show(directory: Path, home: Path, *options: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "cleanroom.cli", "demo", "--directory", directory, *options],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return Done(status=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    # A long path makes the brokers' sockets go to a short one.
    directory = tmp_path_factory.mktemp("demo") / ("long-name-" * 8)
    done = show(directory, directory.parent, "--json")
    assert done.status == 0, done.out + done.err
    return Shown(directory=directory, done=done)


def test_the_story_goes_the_whole_line(shown: Shown) -> None:
    titles = [chapter["title"] for chapter in shown.story["chapters"]]
    assert titles[:8] == [
        "Keys",
        "Sealing",
        "Contract",
        "Brokers",
        "Query",
        "Run",
        "Result",
        "Verification",
    ]


def test_at_least_a_hundred_thousand_encounters_are_sealed(shown: Shown) -> None:
    assert "hospital.encounters: 120,000 invented rows sealed" in shown.facts("Sealing")


def test_small_wards_are_withheld_by_the_threshold_and_never_named(shown: Shown) -> None:
    result = shown.story["result"]
    assert len(result["rows"]) > 10
    assert result["withheld"]["threshold"] == "10-99"
    wards = {row[0] for row in result["rows"]}
    assert not wards & {"burns", "hyperbaric", "isolation", "sleep", "tropical"}


def test_the_dominated_group_is_missing_although_it_is_large(shown: Shown) -> None:
    groups = {(row[0], row[1]) for row in shown.story["result"]["rows"]}
    assert ("cardiology", "harbour-fund") not in groups
    assert ("surgery", "harbour-fund") in groups


@pytest.mark.parametrize(("title", "code"), ATTEMPTS)
def test_every_attempt_is_refused_for_its_own_reason(shown: Shown, title: str, code: str) -> None:
    assert f"refused ({code}" in shown.facts(title)


def test_groups_of_few_come_out_empty(shown: Shown) -> None:
    assert "groups of few: nothing came out" in shown.facts("singles out a person")


def test_what_is_left_behind_is_there_and_verifies_again(shown: Shown) -> None:
    left = {what: Path(path) for what, path in shown.story["left"].items()}
    assert all(path.exists() for path in left.values())
    hospital = Party(name="hospital", home=left["the hospital's home"])
    assert hospital.succeeds("verify", left["the receipt"])["verified"]


def test_no_broker_is_left_running(shown: Shown) -> None:
    hospital = Party(name="hospital", home=Path(shown.story["left"]["the hospital's home"]))
    assert hospital.program("broker", "status").status == 6


def test_passphrases_are_left_for_their_owners_alone(shown: Shown) -> None:
    for home in ("hospital", "insurer"):
        assert (shown.directory / home / "passphrase").stat().st_mode & 0o777 == 0o600


def test_the_demo_refuses_to_touch_what_it_did_not_make(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.tex"
    precious.write_text("years of work")
    done = show(tmp_path, tmp_path, "--json")
    assert (done.status, done.code) == (3, "demo.directory")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_demo_refuses_a_link_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        done = show(tmp_path / name, tmp_path, "--json")
        assert done.status in (2, 3)
    assert not list((tmp_path / "target").iterdir())


@pytest.mark.slow
def test_the_same_story_with_real_quotes_of_a_software_tpm(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    require_program("swtpm")
    directory = tmp_path_factory.mktemp("vtpm") / "demo"
    done = show(directory, directory.parent, "--json", "--platform", "vtpm-software")
    assert done.status == 0, done.out + done.err
    told = Shown(directory=directory, done=done)
    assert told.story["banner"].startswith("SOFTWARE TPM")
    verified = told.facts("Verification")
    assert "attestation: vtpm-software, contraindicated; SOFTWARE TPM" in verified
    assert "refused (attestation.measurement" in told.facts("runner that the contract does not")
