# SPDX-License-Identifier: Apache-2.0
"""What a verified simulated report claims: least of all, confidentiality."""

from __future__ import annotations

from cleanroom.attestation.platform import Claims
from cleanroom.attestation.platforms.simulated.parse import SimulatedReport
from cleanroom.attestation.platforms.simulated.root import PLATFORM, ROOT_NAME


def claims_of(report: SimulatedReport) -> Claims:
    """Turn a report whose signature and binding hold into claims."""
    return Claims(
        platform=PLATFORM,
        confidential=False,
        measurement=report.measurement,
        binding=report.report_data,
        debug=report.debug,
        issued_at=report.issued_at,
        gpus=(),
        details={"root": ROOT_NAME.decode("ascii")},
    )
