# SPDX-License-Identifier: Apache-2.0
"""May this run happen now? The only place that mints an ApprovedRun."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approval import Approval
from cleanroom.contract.bundle import RunBundle
from cleanroom.contract.query import ParameterValue, Query
from cleanroom.contract.run_request import RunRequest
from cleanroom.envelope.signed_file import SignedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedRun:
    """Proof that one run was asked for and approved by all who must.

    Attributes:
        agreement: What the parties agreed.
        query: The query document.
        code: Code files by name, equal to the approved digests.
        approvals: The approvals that count, sorted by approver.
        request: The run request.
        parameters: Its values, each inside the approved domain.
    """

    agreement: Agreement
    query: Query
    code: Mapping[str, bytes]
    approvals: tuple[Approval, ...]
    request: RunRequest
    parameters: Mapping[str, ParameterValue]


def approve_run(
    agreement: Agreement,
    bundle: RunBundle,
    *,
    at: dt.datetime,
    withdrawn: Iterable[SignedFile] = (),
) -> ApprovedRun:
    """Verify that a run was asked for and approved, at a given time."""
    raise NotImplementedError
