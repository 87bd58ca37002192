# SPDX-License-Identifier: Apache-2.0
"""Make simulated evidence: sign whatever the caller says, with a published key.

Real collectors ask a device, which measures by itself. This one is told, which
is one reason more why its word is worth nothing outside a trial.
"""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.binding import check_binding_length
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.simulated.parse import encode_signed
from cleanroom.attestation.platforms.simulated.root import (
    PLATFORM,
    published_key,
    published_root,
)
from cleanroom.attestation.platforms.simulated.verify import ROOT_ITEM
from cleanroom.kernel.digest import Digest

__all__ = ["PLATFORM", "collect"]


def collect(*, binding: bytes, measurement: Digest, issued_at: dt.datetime) -> EvidenceItem:
    """Return simulated evidence over the 64 bytes.

    Args:
        binding: What the evidence shall be bound to.
        measurement: What the runner says it is.
        issued_at: The runner's clock.

    Raises:
        MalformedError: The binding is not 64 bytes.
    """
    check_binding_length(binding)
    signed = encode_signed(
        debug=False, issued_at=issued_at, measurement=measurement, report_data=binding
    )
    return EvidenceItem(
        platform=PLATFORM,
        report=signed + published_key().sign(signed),
        collateral={ROOT_ITEM: published_root()},
    )
