# SPDX-License-Identifier: Apache-2.0
"""Every known mistake of verifiers has a test, by a name that exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol" / "verifier-mistakes.md"
ROW = re.compile(r"^\| (?P<mistake>[^|]+) \| `(?P<file>tests/[\w/]+\.py)::(?P<test>test_\w+)` \|$")


def rows():
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| mistake"):
            found = ROW.match(line)
            assert found, f"not a mistake and its test: {line}"
            yield found


def test_every_mistake_names_a_test_that_exists():
    written = list(rows())
    files = {row["file"] for row in written}
    named = {
        (file, node.name)
        for file in files
        for node in ast.parse((ROOT / file).read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    missing = [row["test"] for row in written if (row["file"], row["test"]) not in named]
    assert missing == []


def test_no_mistake_stands_there_twice():
    mistakes = [row["mistake"] for row in rows()]
    assert len(mistakes) == len(set(mistakes)) > 80
