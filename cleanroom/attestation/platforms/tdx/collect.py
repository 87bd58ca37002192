# SPDX-License-Identifier: Apache-2.0
"""Make evidence on a TDX guest: a quote by configfs-tsm.

``/dev/tdx_guest`` alone gives a report that only the same machine can check, so it
is not used here. Never run on a real processor by this project; written from
the kernel's sources and tested against a fake that keeps the kernel's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cleanroom.attestation.binding import check_binding_length
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.configfs_tsm import TsmRequest, missing_tsm, request_report
from cleanroom.attestation.platforms.host_files import HostFiles
from cleanroom.attestation.platforms.tdx.boot_log import LOG_ITEM, LOG_PATH, without_padding
from cleanroom.attestation.platforms.tdx.claims import TDX_PLATFORM
from cleanroom.attestation.platforms.tdx.parse import parse_quote
from cleanroom.errors import UnavailableError
from cleanroom.kernel.record import dataclass

PROVIDER = "tdx_guest"


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxCollector:
    """Collect TDX evidence.

    Attributes:
        files: The machine's file system.
        name: Makes a name for one request.
        collateral: Intel's collateral that the operator fetched before; may be empty.
    """

    files: HostFiles
    name: Callable[[], str]
    collateral: Mapping[str, bytes]

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return TDX_PLATFORM

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks."""
        return missing_tsm(self.files)

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return a quote over the 64 bytes, without the kernel's padding.

        Raises:
            MalformedError: The binding is not 64 bytes, or the answer is no quote.
            UnavailableError: The interface is not there, or does not answer.
        """
        check_binding_length(binding)
        lacking = self.missing()
        if lacking:
            raise UnavailableError("tdx: " + "; ".join(lacking), code="collect.missing")
        # The module knows no privilege levels.
        request = TsmRequest(provider=PROVIDER, inblob=binding, privilege=None)
        answer = request_report(self.files, request, name=self.name())
        # Newer kernels may hand out other formats here; better known now than at a broker.
        quote = parse_quote(answer.report)
        return EvidenceItem(
            platform=TDX_PLATFORM,
            report=quote.raw,
            collateral={**self.collateral, **self._boot_log()},
        )

    def _boot_log(self) -> dict[str, bytes]:
        # It explains the registers; without it they are compared all the same.
        try:
            return {LOG_ITEM: without_padding(self.files.read(LOG_PATH))}
        except OSError:
            return {}
