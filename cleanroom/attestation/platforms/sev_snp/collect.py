# SPDX-License-Identifier: Apache-2.0
"""Make evidence on a SEV-SNP guest: configfs-tsm, or ``/dev/sev-guest`` before it.

Never run on a real EPYC by this project; written from the kernel's sources and
tested against fakes that keep the kernel's rules.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from cleanroom.attestation.binding import check_binding_length
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.pem import pem_of
from cleanroom.attestation.platforms.configfs_tsm import TsmRequest, missing_tsm, request_report
from cleanroom.attestation.platforms.host_files import HostFiles
from cleanroom.attestation.platforms.sev_snp import table
from cleanroom.attestation.platforms.sev_snp.chain import CHAIN_ITEM, VEK_ITEM
from cleanroom.attestation.platforms.sev_snp.claims import PLATFORM
from cleanroom.attestation.platforms.sev_snp.guest_device import (
    DEVICE,
    Ioctl,
    Pause,
    request_extended,
)
from cleanroom.errors import UnavailableError
from cleanroom.kernel.record import dataclass

PROVIDER = "sev_guest"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpCollector:
    """Collect plain SEV-SNP evidence.

    Attributes:
        files: The machine's file system.
        ioctl: Opens ``/dev/sev-guest`` and calls it.
        name: Makes a name for one request.
        pause: Waits for some seconds.
        vmpl: Privilege level to ask for.
        collateral: Certificates that the operator fetched before; the host's, if it
            has any, win, and neither is believed.
    """

    files: HostFiles
    ioctl: Ioctl
    name: Callable[[], str]
    pause: Pause
    vmpl: int
    collateral: Mapping[str, bytes]

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return PLATFORM

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks; one of the two interfaces is enough."""
        without_tsm = missing_tsm(self.files)
        if not without_tsm or self.files.exists(DEVICE):
            return ()
        return (
            *without_tsm,
            f"/{DEVICE}: not there; it takes Linux 5.19 or later and the sev-guest driver",
        )

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return a report over the 64 bytes.

        Raises:
            MalformedError: The binding is not 64 bytes, or the device answers nonsense.
            UnavailableError: Neither interface is there, or it does not answer.
        """
        check_binding_length(binding)
        report, certificates = self._report(binding)
        return EvidenceItem(
            platform=PLATFORM,
            report=report,
            collateral={**self.collateral, **_items(table.parse_table(certificates))},
        )

    def _report(self, binding: bytes) -> tuple[bytes, bytes]:
        lacking = self.missing()
        if lacking:
            raise UnavailableError("snp: " + "; ".join(lacking), code="collect.missing")
        if not missing_tsm(self.files):
            request = TsmRequest(provider=PROVIDER, inblob=binding, privilege=self.vmpl)
            answer = request_report(self.files, request, name=self.name())
            return answer.report, answer.certificates
        device = request_extended(self.ioctl, report_data=binding, vmpl=self.vmpl, pause=self.pause)
        return device.report, device.certificates


def open_guest_device(root: Path) -> Ioctl:
    """Return a call of ``/dev/sev-guest`` below a root; the device is opened for each call."""

    def call(number: int, argument: bytearray) -> None:
        descriptor = os.open(root / DEVICE, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, number, argument, True)  # noqa: FBT003 - changes its argument
        finally:
            os.close(descriptor)

    return call


def _items(found: Mapping[uuid.UUID, bytes]) -> dict[str, bytes]:
    items = {}
    for guid in (table.VCEK, table.VLEK):
        if guid in found:
            items[VEK_ITEM] = found[guid]
    if table.ASK in found and table.ARK in found:
        items[CHAIN_ITEM] = pem_of(found[table.ASK]) + pem_of(found[table.ARK])
    return items
