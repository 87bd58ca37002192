# SPDX-License-Identifier: Apache-2.0
"""The longest body of a trust domain: what a quote of version 5 and body type 4 is about."""

from __future__ import annotations

import struct

from tests.support.dcap_forge import COMPONENTS, TEE_TCB_SVN, domain


def extended(*, attributes: int = 1 << 28, **changes: bytes | int) -> bytes:
    """Make the longest body of a trust domain; ``changes`` are of its extension."""
    fields: dict[str, bytes | int] = {
        "partition": 0,
        "domain_id": b"I" * 32,
        "devices": b"D" * 48,
        "first_service": b"f" * 48,
        "first_service_attributes": 0,
        "first_cpusvn": bytes(COMPONENTS),
        "first_tee_tcb_svn": TEE_TCB_SVN,
        "first_model": b"M" * 12,
        "service": b"n" * 48,
        "service_attributes": 0,
    } | changes
    tail = struct.pack("<B32s48s48sQ16s16s12s48sQ", *fields.values())
    return domain(version=15, attributes=attributes) + tail
