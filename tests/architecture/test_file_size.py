# SPDX-License-Identifier: Apache-2.0
"""Files stay readable in one sitting, and each says its licence."""

from __future__ import annotations

import pytest

from tests.support.source_tree import ROOT, python_files

SPDX = "# SPDX-License-Identifier: Apache-2.0"
MOST_LINES = 400
FILES = [str(path.relative_to(ROOT)) for path in python_files("cleanroom", "tests", "bench")]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_and_licensed(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert lines[0] == SPDX


@pytest.mark.parametrize("name", ["Makefile", ".ci/run"])
def test_other_programs_are_licensed_too(name):
    assert SPDX in (ROOT / name).read_text("utf-8").splitlines()[:2]
