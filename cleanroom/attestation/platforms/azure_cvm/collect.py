# SPDX-License-Identifier: Apache-2.0
"""Make evidence on an Azure confidential VM: virtual TPM, paravisor, metadata service.

========================  ====================================================
NV index 0x01400002       64 bytes of ours go in (defined if it is not there)
NV index 0x01400001       the paravisor's report comes out, with our bytes in it
handle 0x81000003         the attestation key of the runtime claims
metadata service, THIM    the chip's certificate and chain, on SEV-SNP
metadata service, ACC     the quote over a TDREPORT, on TDX
========================  ====================================================

The paravisor makes a new hardware report some seconds after the bytes were
written, so reading is repeated until they are in. Never run on Azure by this
project; written from the paravisor's sources and Microsoft's documentation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Protocol

from cleanroom.attestation.binding import Channel, expected_in
from cleanroom.attestation.collateral import CollateralRequest, Transport
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import RuntimeLog
from cleanroom.attestation.fields import base64url_field, encode_base64url
from cleanroom.attestation.platforms.azure_cvm.claims import SNP_PLATFORM, TDX_PLATFORM
from cleanroom.attestation.platforms.azure_cvm.hcl import Hardware, HclReport, parse_hcl
from cleanroom.attestation.platforms.azure_cvm.parse import AzureReport, encode_report
from cleanroom.attestation.platforms.azure_cvm.runtime_claims import parse_claims
from cleanroom.attestation.platforms.sev_snp.intake import sort_collateral
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS
from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.client import LoadedKey
from cleanroom.attestation.platforms.tpm.parse import PcrSelection, parse_signature
from cleanroom.attestation.runtime_log import extended_digest
from cleanroom.errors import (
    CleanroomError,
    EvidenceRefusedError,
    MalformedError,
    UnavailableError,
)
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json

HCL_REPORT_INDEX = 0x01400001
USER_DATA_INDEX = 0x01400002
AK_HANDLE = 0x81000003
METADATA = "http://169.254.169.254"
TDREPORT_BYTES = 1024

_NO_PARAVISOR = (
    f"NV index {HCL_REPORT_INDEX:#010x}: no paravisor report; it takes an Azure confidential VM"
    " and its virtual TPM"
)
_ATTEMPTS = 10
_PAUSE_SECONDS = 1.0
_MAX_ANSWER_BYTES = 128 * 1024
_PLATFORMS = {Hardware.SEV_SNP: SNP_PLATFORM, Hardware.TDX: TDX_PLATFORM}


class VirtualTpmClient(Protocol):
    """What is asked of the virtual TPM; :class:`~..tpm.client.Tpm` answers it."""

    def read_index(self, index: int) -> bytes:
        """Read what lies at an index; raises UnavailableError."""

    def define_index(self, index: int, *, size: int) -> None:
        """Make room at an index."""

    def write_index(self, index: int, data: bytes) -> None:
        """Write at an index."""

    def read_public(self, handle: int) -> bytes:
        """Return the public area of a persistent key."""

    def quote(
        self, key: LoadedKey, *, qualifying_data: bytes, selection: PcrSelection
    ) -> tuple[bytes, bytes]:
        """Quote registers."""

    def read_registers(self, selection: PcrSelection) -> dict[int, bytes]:
        """Read registers."""

    def extend(self, register: int, digest: bytes, *, bank: Hash = Hash.SHA256) -> None:
        """Extend a register."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureCollector:
    """Collect Azure evidence of one hardware.

    Attributes:
        hardware: Which processor this machine is to have.
        tpm: The virtual TPM.
        transport: Asks the metadata service.
        pause: Waits for some seconds.
        selection: Registers to quote, exactly those that the contract names.
        runtime: What the runner extends before anything runs, and into which of them.
        collateral: What the operator fetched before; on TDX, Intel's.
    """

    hardware: Hardware
    tpm: VirtualTpmClient
    transport: Transport
    pause: Callable[[float], None]
    selection: PcrSelection
    runtime: RuntimeLog
    collateral: Mapping[str, bytes]

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return _PLATFORMS[self.hardware]

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks."""
        try:
            found = parse_hcl(self.tpm.read_index(HCL_REPORT_INDEX)).hardware
        except CleanroomError:
            return (_NO_PARAVISOR,)
        if found is not self.hardware:
            return (f"hardware: found {found.name}, agreed {self.hardware.name}",)
        return ()

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return evidence that carries the binding in both places.

        Raises:
            MalformedError: The binding is not 64 bytes, or an answer is not of its form.
            EvidenceRefusedError: The runtime register is not zero any more.
            UnavailableError: The TPM or the metadata service does not answer, or the
                paravisor does not take the bytes up.
        """
        user_data = expected_in(Channel.REPORT, binding)
        hcl = self._refreshed(user_data)
        parsed = parse_hcl(hcl)
        if parsed.hardware is not self.hardware:
            raise UnavailableError(
                f"azure: found hardware {parsed.hardware.name}, agreed {self.hardware.name}",
                code="collect.hardware",
            )
        self._extend()
        message, signature = self._quote(expected_in(Channel.TPM, binding))
        values = self.tpm.read_registers(self.selection)
        on_tdx = self.hardware is Hardware.TDX
        report = AzureReport(
            hcl=hcl,
            message=message,
            signature=signature,
            pcrs=tuple(values[index] for index in sorted(values)),
            td_quote=self._td_quote(parsed) if on_tdx else b"",
            runtime=self.runtime,
        )
        return EvidenceItem(
            platform=self.platform,
            report=encode_report(report),
            collateral={**self.collateral, **({} if on_tdx else self._certificates())},
        )

    def _refreshed(self, user_data: bytes) -> bytes:
        self._write_user_data(user_data)
        for _ in range(_ATTEMPTS):
            hcl = self.tpm.read_index(HCL_REPORT_INDEX)
            # A report made at boot would prove nothing about this run.
            if parse_claims(parse_hcl(hcl).claims).user_data == user_data:
                return hcl
            self.pause(_PAUSE_SECONDS)
        raise UnavailableError(
            f"azure: the paravisor's report does not carry what was written to"
            f" {USER_DATA_INDEX:#010x}, agreed these 64 bytes",
            code="collect.user-data",
            hint="an old paravisor has no user data; the machine must be redeployed",
        )

    def _write_user_data(self, user_data: bytes) -> None:
        try:
            self.tpm.read_index(USER_DATA_INDEX)
        except UnavailableError:
            self.tpm.define_index(USER_DATA_INDEX, size=len(user_data))
        self.tpm.write_index(USER_DATA_INDEX, user_data)

    def _extend(self) -> None:
        bank, register = self.selection.bank, self.runtime.register
        alone = PcrSelection(bank=bank, pcrs=frozenset({register}))
        if any(self.tpm.read_registers(alone)[register]):
            raise EvidenceRefusedError(
                f"TPM register {register}: found extended, agreed zero at the start",
                code="tpm.register-used",
                hint="one start of the machine serves one run; start it again",
            )
        for event in self.runtime.events:
            self.tpm.extend(register, extended_digest(event, hashed=bank.digest), bank=bank)

    def _quote(self, qualifying_data: bytes) -> tuple[bytes, bytes]:
        key = LoadedKey(handle=AK_HANDLE, public=self.tpm.read_public(AK_HANDLE))
        message, encoded = self.tpm.quote(
            key, qualifying_data=qualifying_data, selection=self.selection
        )
        signature = parse_signature(encoded)
        if signature.scheme is not Scheme.RSASSA:
            raise MalformedError(
                f"azure quote: found {signature.scheme.name}, agreed RSASSA", code="collect.scheme"
            )
        return message, signature.parts[0]

    def _certificates(self) -> dict[str, bytes]:
        answer = self.transport(
            CollateralRequest(
                name="vek",
                url=f"{METADATA}/metadata/THIM/amd/certification",
                method="GET",
                headers={"Metadata": "true"},
                body=b"",
            )
        )
        return sort_collateral([answer], pins=AMD_PINS)

    def _td_quote(self, hcl: HclReport) -> bytes:
        report = encode_base64url(hcl.hardware_report[:TDREPORT_BYTES])
        answer = self.transport(
            CollateralRequest(
                name="td-quote",
                url=f"{METADATA}/acc/tdquote",
                method="POST",
                headers={"Content-Type": "application/json"},
                body=json.dumps({"report": report}).encode(),
            )
        )
        value = parse_json(answer, what="azure td quote", limit=_MAX_ANSWER_BYTES)
        if not isinstance(value, dict) or not isinstance(value.get("quote"), str):
            raise MalformedError("azure td quote: no text 'quote'", code="collect.td-quote")
        return base64url_field(value["quote"].rstrip("="), what="azure td quote")
