# SPDX-License-Identifier: Apache-2.0
"""What a verified simulated report claims: least of all, confidentiality."""

from __future__ import annotations

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.platform import Carried, Check, Claims
from cleanroom.attestation.platforms.simulated.parse import SimulatedReport
from cleanroom.attestation.platforms.simulated.root import PLATFORM, ROOT_NAME

PLACE = "report_data"


def claims_of(report: SimulatedReport) -> Claims:
    """Turn a report whose root and signature hold into claims."""
    return Claims(
        platform=PLATFORM,
        confidential=False,
        runner=report.measurement,
        carried=(Carried(place=PLACE, channel=Channel.REPORT, found=report.report_data),),
        debug=report.debug,
        issued_at=report.issued_at,
        facts=(),
        collateral=(),
        checks=(
            Check(name="root", found=f"pinned, named {ROOT_NAME.decode('ascii')}"),
            Check(name="signature", found="by the published key, which anybody has"),
        ),
        details={"root": ROOT_NAME.decode("ascii")},
    )
