# SPDX-License-Identifier: Apache-2.0
"""Files stay readable in one sitting, and each says its licence."""

from __future__ import annotations

import pytest

from tests.support.source_tree import ROOT, python_files

SPDX = "# SPDX-License-Identifier: Apache-2.0"
MOST_LINES = 400
FILES = python_files("cleanroom", "tests", "bench")


def test_files_are_short():
    long = [path.name for path in FILES if len(path.read_text("utf-8").splitlines()) > MOST_LINES]
    assert long == []


@pytest.mark.parametrize("name", ["Makefile", ".ci/run"])
def test_other_programs_are_licensed_too(name):
    assert SPDX in (ROOT / name).read_text("utf-8").splitlines()[:2]


def test_every_file_says_its_licence_first():
    silent = [path.name for path in FILES if path.read_text("utf-8").partition("\n")[0] != SPDX]
    assert silent == []
