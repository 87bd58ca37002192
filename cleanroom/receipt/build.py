# SPDX-License-Identifier: Apache-2.0
"""How a receipt comes to be: the statement first, then every owner's countersignature."""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.envelope.dsse import Envelope
from cleanroom.identity.party import PartyDocument
from cleanroom.receipt.model import LoggedStatement, Receipt, ReceiptBody


def build_receipt(body: ReceiptBody) -> bytes:
    """Write the receipt statement that the run key signs and the brokers countersign."""
    raise NotImplementedError


def countersign_receipt(
    envelope: Envelope,
    *,
    owners: Mapping[str, PartyDocument],
    countersignatures: Mapping[str, LoggedStatement],
) -> Receipt:
    """Join the receipt with one verified countersignature of every owner; the only minter."""
    raise NotImplementedError
