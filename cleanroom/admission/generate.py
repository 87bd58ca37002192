# SPDX-License-Identifier: Apache-2.0
"""Generate the row-level SQL of an admitted query."""

from __future__ import annotations

from cleanroom.admission.tree import AdmittedQuery


def generate(admitted: AdmittedQuery, *, prefix: str) -> str:
    """Write the base SELECT: columns ``<prefix>k0..``, ``<prefix>a0..``, ``<prefix>u0..``.

    Raises:
        MalformedError: The prefix is not a secret of the expected form.
    """
    raise NotImplementedError
