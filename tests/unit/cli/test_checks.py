# SPDX-License-Identifier: Apache-2.0
"""The doctor names each broken link, and one broken link does not hide the next."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from cleanroom.cli import machine_checks
from cleanroom.cli.checks import CHECKS, examine
from cleanroom.cli.findings import Finding, State, Surroundings
from tests.support.sandboxes import host

NOW = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    return Surroundings(config=tmp_path / "config", profile="", room=tmp_path / "room", now=NOW)


def of(findings: list[Finding], link: str) -> list[Finding]:
    return [finding for finding in findings if finding.link == link]


def test_an_empty_machine_lacks_a_profile_and_a_room(surroundings: Surroundings) -> None:
    findings = examine(surroundings)
    assert of(findings, "profile")[0].state is State.BROKEN
    assert "cleanroom init" in of(findings, "profile")[0].fix
    assert of(findings, "room")[0].state is State.WARNING
    assert of(findings, "python")[0].state is State.HOLDS
    assert of(findings, "dependencies")[0].state is State.HOLDS


def test_everything_that_is_not_whole_comes_with_a_fix(surroundings: Surroundings) -> None:
    for finding in examine(surroundings):
        assert bool(finding.fix) == (finding.state is not State.HOLDS)


def test_a_check_that_raises_is_a_finding_and_the_next_check_runs(
    surroundings: Surroundings,
) -> None:
    surroundings.room.mkdir()
    (surroundings.room / "contract.toml").write_text("name = [")
    findings = examine(surroundings)
    assert of(findings, "room")[0].state is State.BROKEN
    assert of(findings, "disk of room")


def test_a_clock_that_was_turned_back_is_broken(surroundings: Surroundings) -> None:
    back = replace(surroundings, now=dt.datetime(2001, 1, 1, tzinfo=dt.UTC))
    (finding,) = machine_checks.clock(back)
    assert finding.state is State.BROKEN


def test_an_unknown_profile_is_broken(surroundings: Surroundings) -> None:
    (surroundings.config / "hospital").mkdir(parents=True)
    (surroundings.config / "hospital" / "profile.toml").touch()
    named = replace(surroundings, profile="clinic")
    (finding,) = CHECKS["profile"](named)
    assert finding.state is State.BROKEN


def test_a_key_file_open_to_others_is_named_with_chmod(surroundings: Surroundings) -> None:
    keys = surroundings.config / "hospital" / "keys"
    keys.mkdir(parents=True)
    for name, mode in (("seeds.json", 0o640), ("signing", 0o600), ("signing.pub", 0o644)):
        (keys / name).touch()
        (keys / name).chmod(mode)
    (finding,) = CHECKS["key files"](surroundings)
    assert finding.state is State.BROKEN
    assert "seeds.json" in finding.found
    assert finding.fix == f"chmod go= {keys / 'seeds.json'}"


def test_what_a_room_shows_to_everybody_is_no_key_file(surroundings: Surroundings) -> None:
    mirror = surroundings.config / "hospital" / "rooms" / "0123456789abcdef"
    mirror.mkdir(parents=True)
    for path in (mirror / "contract.toml", surroundings.config / "authorities.pem"):
        path.touch()
        path.chmod(0o644)
    assert list(CHECKS["key files"](surroundings)) == []


def test_the_sandbox_names_its_level_its_layers_and_what_each_missing_one_needs(
    surroundings: Surroundings,
) -> None:
    active, *missing = machine_checks.sandbox(surroundings)
    assert f"level {host().best.level}" in active.found
    assert all(layer in active.found for layer in host().best.layers)
    assert [item.fix for item in missing] == [item.fix for item in host().missing]
    assert all(item.fix for item in missing)
