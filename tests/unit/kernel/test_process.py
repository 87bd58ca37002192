# SPDX-License-Identifier: Apache-2.0
"""Beginning without looking for garbage, ending without taking modules apart."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from cleanroom.kernel.process import absent, loading

LEAVE = "import sys; from cleanroom.kernel.process import leave; "


def python(code, **options):
    return subprocess.run([sys.executable, "-I", "-c", LEAVE + code], check=False, **options)


def test_garbage_is_looked_for_again_after_loading():
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_garbage_is_looked_for_again_after_loading_failed():
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


def test_an_absent_module_is_not_there_until_the_block_ends():
    with absent("wave", "json"), pytest.raises(ImportError):
        importlib.import_module("wave")
    assert importlib.import_module("wave").__name__ == "wave"
    assert importlib.import_module("json").dumps([]) == "[]"


def test_what_is_loaded_already_stays():
    with absent("json"):
        assert importlib.import_module("json").dumps([]) == "[]"


def test_what_was_written_leaves_before_the_process_does():
    done = python("print('out'); sys.stderr.write('err'); leave(7)", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err")


def test_output_that_nobody_can_take_is_a_failure():
    with Path("/dev/full").open("wb") as full:
        assert python("print('out'); leave(0)", stdout=full).returncode == 120


def test_errors_that_nobody_can_take_change_nothing():
    with Path("/dev/full").open("wb") as full:
        assert python("sys.stderr.write('err'); leave(3)", stderr=full).returncode == 3
