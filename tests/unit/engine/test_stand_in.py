# SPDX-License-Identifier: Apache-2.0
"""What the query child loads instead of a library of file systems."""

import json
import subprocess
import sys
from unittest.mock import patch

import fsspec
import pytest

from cleanroom.engine.stand_in import AbstractFileSystem, take_the_place_of_fsspec
from cleanroom.errors import UnavailableError

LOADED = """
import json, sys
import cleanroom.runner.query_process as child
from cleanroom.engine.query import SealedFiles, SpillFiles
bases = [kind.__mro__[1].__module__ for kind in (SealedFiles, SpillFiles)]
print(json.dumps([sorted(sys.modules), bases]))
"""


def test_a_query_child_loads_no_event_loop_no_codec_and_asks_no_other_distribution():
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded, bases = json.loads(done.stdout)
    assert not {"asyncio", "ssl", "zipfile", "importlib.metadata", "logging", "duckdb"} & {*loaded}
    assert {name for name in loaded if name.startswith("fsspec")} == {"fsspec", "fsspec.spec"}
    assert bases == ["cleanroom.engine.stand_in"] * 2


def test_it_takes_a_free_place_only():
    without = {name: module for name, module in sys.modules.items() if "fsspec" not in name}
    with patch.dict(sys.modules, without, clear=True):
        take_the_place_of_fsspec()
        assert sys.modules["fsspec"].AbstractFileSystem is AbstractFileSystem
        assert sys.modules["fsspec.spec"].AbstractFileSystem is AbstractFileSystem
        with pytest.raises(UnavailableError, match="loaded already"):
            take_the_place_of_fsspec()
    assert sys.modules["fsspec"] is fsspec
    with pytest.raises(UnavailableError, match="loaded already"):
        take_the_place_of_fsspec()


def test_a_path_of_ours_is_given_back_as_it_is():
    assert AbstractFileSystem().unstrip_protocol("sealed://0/0") == "sealed://0/0"
