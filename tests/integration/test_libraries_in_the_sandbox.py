# SPDX-License-Identifier: Apache-2.0
"""What people analyse with works at every level, behind the same rules as everything."""

from dataclasses import replace

import pytest

from cleanroom.runner.analysis.code_job import libraries_of
from cleanroom.runner.sandbox.process import confined_child
from tests.support.sandboxes import CONFINED, KERNEL_LEVELS, SMALL, confinement_or_skip

LIMITS = replace(SMALL, memory_bytes=4 << 30, descriptors=256, tasks=256)
WORK = {
    "pandas": b"(2, 3)",
    "polars": b"(2, 2)",
    "sklearn": b"(1, 3)",
    "clusters": b"3",
    "processes": b"(3,)",
    "statsmodels": b"(2,)",
    "formulas": b"(3,)",
    "scipy": b"True",
    "duckdb": b"(1000000,)",
}


@pytest.mark.slow
@pytest.mark.parametrize("level", KERNEL_LEVELS)
@pytest.mark.parametrize("library", WORK)
def test_a_library_works_inside(level, library):
    with confined_child(
        "libraries",
        confinement=confinement_or_skip(level),
        limits=LIMITS,
        code=(CONFINED,),
        preload=libraries_of(b"import sklearn"),
        others_code=library != "duckdb",  # the engine runs where no analyst's code does
    ) as child:
        child.require_ready()
        answer = child.exchange(library.encode(), seconds=60, most=10_000)
    assert answer == WORK[library]
