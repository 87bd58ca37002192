# SPDX-License-Identifier: Apache-2.0
"""The collectors of a real machine, with its real file system, devices and services."""

from __future__ import annotations

from cleanroom.attestation.platform import Collector


def machine_collectors() -> tuple[Collector, ...]:
    """Make one collector for each kind that a runner can ask for."""
    return ()
