# SPDX-License-Identifier: Apache-2.0
"""Is the receipt true? One list of named steps; each ends in one line or stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cleanroom.contract.agreement import Trust
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.attestation.appraisal import AttestationResult
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.model import ReceiptBody


class DocumentSource(Protocol):
    """Where the documents that a receipt names are found; a room is one."""

    def find(self, relative: str, digest: Digest) -> SignedFile:
        """Return the file with exactly this digest, and its signatures."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One line of a verification.

    Attributes:
        step: Name of the check.
        found: What was found, in words that hold no data value.
        held: Whether the check held; the line that does not is the last.
    """

    step: str
    found: str
    held: bool


Report = Callable[[StepLine], None]


def _unheard(line: StepLine) -> None:
    del line


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReceipt:
    """Proof that every claim of a receipt agrees with what was signed.

    Attributes:
        body: The claims, all of them checked.
        digest: Digest of the receipt's statement.
        run: The approved run that it is the receipt of.
        attestation: Owner to the appraisal of the evidence at its release time.
        lines: One line a check, in order.
    """

    body: ReceiptBody
    digest: Digest
    run: ApprovedRun
    attestation: Mapping[str, AttestationResult]
    lines: tuple[StepLine, ...]


def verify_receipt(
    data: bytes, *, room: DocumentSource, trust: Trust, report: Report = _unheard
) -> VerifiedReceipt:
    """Check a receipt against the room and what the reader trusts; the only minter."""
    raise NotImplementedError
