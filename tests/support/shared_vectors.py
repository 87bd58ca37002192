# SPDX-License-Identifier: Apache-2.0
"""Real evidence that lies beside the checkout, and is no part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"


def shared_vector(*path: str) -> bytes:
    """Return the bytes of ``../shared/vectors/<path>``, or skip the test that wants them."""
    found = VECTORS.joinpath(*path)
    if not found.is_file():
        pytest.skip("the shared vectors of real evidence are not beside this checkout")
    return found.read_bytes()
