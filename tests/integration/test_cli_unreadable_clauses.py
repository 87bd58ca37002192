# SPDX-License-Identifier: Apache-2.0
"""What could not be read afterwards is neither signed nor put into a room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Party, agree_on_example, two_parties

NEW = ("contract", "new", "--template", "two-party", "--platform", "simulated")
TWO_LINES = "one line\nand another"
REVOKE = ("revoke", "--yes", "--reason", TWO_LINES, "dataset")


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Party, Path]:
    directory = tmp_path_factory.mktemp("agreed")
    parties = two_parties(directory)
    agree_on_example(parties, directory / "room")
    return parties[0], directory


@pytest.mark.parametrize(
    ("typed", "ended"),
    [
        ((*NEW, "--name", "Not A Name"), 4),
        ((*NEW, "--purpose", TWO_LINES), 4),
        ((*NEW, "--receiver", "nobody"), 4),
        ((*REVOKE, "stays"), 4),
        ((*REVOKE, "hospital.stays"), 4),
        # T-03: whoever chooses a name that is taken does not displace its document.
        (("init", "insurer"), 3),
    ],
)
def test_what_is_in_force_stays_in_force(
    agreed: tuple[Party, Path], typed: tuple[str, ...], ended: int
) -> None:
    hospital, directory = agreed
    before = files(directory)
    done = hospital.refused(*typed, "--room", directory / "room")
    assert done.status == ended, done.out
    assert files(directory) == before


def files(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
