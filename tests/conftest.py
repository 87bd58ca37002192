# SPDX-License-Identifier: Apache-2.0
"""Settings that hold for every test."""

import gc

import pytest
from hypothesis import settings

# A busy machine must not turn a slow example into a failure: benchmarks measure, tests do not.
# Nor may chance: the same examples every time, but for slow tests that say otherwise.
settings.register_profile("cleanroom", deadline=None, print_blob=True, derandomize=True)
# To look further, as often as there is time: pytest --hypothesis-profile=explore.
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("cleanroom")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    # What is collected, thousands of tests and all that they import, stays until the end:
    # looking through it for garbage again and again takes longer than many a test.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure():
    gc.unfreeze()
