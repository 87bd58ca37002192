# SPDX-License-Identifier: Apache-2.0
"""Every example does what its page says, with the numbers that its page shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cleanroom.contract.policy import parse_policy
from tests.support import example_data
from tests.support.examples import EXAMPLES, Example

NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())

# The journey of the command line walks through this one among the quick tests.
WALKED = "health"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == WALKED)) for name in NAMES]
)
def test_an_example_gives_its_expected_output(name: str, tmp_path: Path) -> None:
    example = Example.load(name)
    parties = example.parties(tmp_path)
    room = tmp_path / "room"
    example.agree(parties, room)
    ran = example.run(parties, room)
    expected = json.loads((example.directory / "expected.json").read_bytes())
    assert ran["result"] == expected
    assert ran["verified"] is True


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_complete_and_its_page_names_its_files(name: str) -> None:
    example = Example.load(name)
    page = (example.directory / "README.md").read_text()
    for dataset in example.inputs["datasets"]:
        assert (example.directory / dataset["file"]).is_file()
        assert dataset["policy"] in page
    assert example.inputs["query"]["file"] in page
    assert "expected.json" in page


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/policies/*.toml")), ids=lambda path: path.name
)
def test_a_policy_is_named_after_its_dataset(path: Path) -> None:
    assert f"{parse_policy(path.read_bytes()).dataset}.toml" == path.name


def test_the_invented_tables_are_the_ones_that_the_generator_writes() -> None:
    for path, data in example_data.files().items():
        assert path.read_bytes() == data, path.name
