# SPDX-License-Identifier: Apache-2.0
"""From bytes to an unverified receipt; strict, and it believes nothing."""

from __future__ import annotations

from cleanroom.receipt.model import UnverifiedReceipt


def parse_receipt(data: bytes) -> UnverifiedReceipt:
    """Parse ``receipt.json``; nothing in what comes back is verified."""
    raise NotImplementedError
