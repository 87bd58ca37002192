# SPDX-License-Identifier: Apache-2.0
"""Collect evidence from a software TPM that lives for this run alone.

It is not the machine's TPM, so the machine's logs are not read: they would explain
other registers.
"""

from __future__ import annotations

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import RuntimeEvent
from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.collect import quoted_report
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.tpm.report import encode_report
from cleanroom.attestation.platforms.vtpm_software.process import (
    PROGRAM,
    SEARCH_PATH,
    find_program,
    software_tpm,
)
from cleanroom.attestation.platforms.vtpm_software.root import PLATFORM
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareTpmCollector:
    """Start a software TPM, extend, quote.

    Attributes:
        selection: Bank and registers that the contract wants quoted.
        register: The runtime register, one of them.
        events: What the runner extends, in order.
        search_path: Directories that swtpm is looked for in.
    """

    selection: PcrSelection
    register: int
    events: tuple[RuntimeEvent, ...]
    search_path: str = SEARCH_PATH

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return PLATFORM

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks."""
        if find_program(self.search_path) is not None:
            return ()
        return (f"{PROGRAM} is not installed (Debian package swtpm)",)

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return evidence of a TPM that did not exist before.

        Raises:
            MalformedError: The binding is not 64 bytes.
            UnavailableError: swtpm is not installed, or does not answer.
        """
        with software_tpm(self.search_path) as transport:
            report = quoted_report(
                Tpm(transport),
                binding=binding,
                selection=self.selection,
                register=self.register,
                events=self.events,
            )
        return EvidenceItem(platform=PLATFORM, report=encode_report(report), collateral={})
