# SPDX-License-Identifier: Apache-2.0
"""The page about faults names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(
    set(re.findall(r"`(tests/[a-z_/]+\.py)::([a-z0-9_]+)`", (ROOT / "docs/faults.md").read_text()))
)


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_every_test_that_the_page_names_exists(path):
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {name for place, name in NAMED if place == path} <= defined


def test_the_page_names_tests_of_every_kind():
    assert {path.split("/")[1] for path, _ in NAMED} == {"adversarial", "integration", "unit"}
