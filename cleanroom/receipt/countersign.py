# SPDX-License-Identifier: Apache-2.0
"""The runner's last gate: no form of a result leaves before every owner countersigned."""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.statement_shapes import LoggedStatement
from cleanroom.envelope.dsse import Envelope
from cleanroom.receipt.claims import verify_runtime_data, verify_signature
from cleanroom.receipt.commits import verify_commits, verify_logs
from cleanroom.receipt.encoding import encode_receipt
from cleanroom.receipt.history import verify_state, verify_times
from cleanroom.receipt.model import Receipt
from cleanroom.receipt.parse import parse_receipt
from cleanroom.receipt.releases import verify_releases


def countersign_receipt(
    envelope: Envelope,
    *,
    agreement: Agreement,
    countersignatures: Mapping[str, LoggedStatement],
) -> Receipt:
    """Join the receipt with every owner's countersignature; the only minter of a Receipt.

    Everything that a reader will check about the brokers is checked here first,
    so a broker cannot make the runner hand out a result whose receipt fails later.

    Args:
        envelope: The receipt statement, signed by the run key.
        agreement: What the parties agreed.
        countersignatures: Owner to what its broker answered.

    Raises:
        MalformedError: A statement that is none.
        IntegrityError: A statement is missing, forged, or speaks of something else.
        RefusedError: A release granted more than was agreed.
    """
    data = encode_receipt(envelope, countersignatures)
    receipt = parse_receipt(data)
    runtime = verify_runtime_data(receipt.body, agreement=agreement).value
    verify_signature(receipt, runtime=runtime)
    releases = verify_releases(receipt.body, agreement=agreement, runtime=runtime).value
    commits = verify_commits(receipt, agreement).value
    verify_state(receipt.body, releases=releases, commits=commits)
    verify_times(agreement, releases=releases, commits=commits)
    verify_logs(receipt, agreement)
    return Receipt(data=data, digest=receipt.digest, body=receipt.body)
