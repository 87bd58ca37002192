# SPDX-License-Identifier: Apache-2.0
"""An Azure confidential VM of published keys: paravisor, virtual TPM, processor.

The paravisor's report, its runtime claims and the quote can be set field by
field; the processor's part comes from the forges of SEV-SNP and DCAP.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cleanroom.attestation.binding import Channel, bind64, expected_in
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import NoRuntimeLog, RuntimeLog
from cleanroom.attestation.fields import encode_base64url
from cleanroom.attestation.platforms.azure_cvm.parse import AzureReport, encode_report
from cleanroom.attestation.platforms.tpm.parse import parse_signature
from cleanroom.attestation.runtime_log import events_of, replayed
from tests.support import dcap_forge, snp_forge
from tests.support.attested_runs import make_runtime
from tests.support.tpm_forge import RSA_AK, ForgedKey, ForgedQuote, selection

AT = snp_forge.AT
RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
SNP, TDX = 2, 4
EVENTS = events_of(runner=RUNTIME.runner, contract=RUNTIME.contract, query=RUNTIME.query)
LOG = RuntimeLog(register=14, events=EVENTS)
PCRS = {4: b"\x04" * 32, 7: b"\x07" * 32, 14: replayed(EVENTS)}
VM_ID = "26F8BC30-774E-4290-8E7A-535F3B672AEE"


def jwk(key: ForgedKey = RSA_AK, *, kid: str = "HCLAkPub", **changes: Any) -> dict[str, Any]:
    """Write a public RSA key as the paravisor does."""
    numbers = key.private.public_key().public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    return {
        "kid": kid,
        "key_ops": ["sign"],
        "kty": "RSA",
        "e": encode_base64url(numbers.e.to_bytes(3, "big")),
        "n": encode_base64url(numbers.n.to_bytes(size, "big")),
    } | changes


def make_claims(**changes: Any) -> bytes:
    """Write runtime claims; a value of None leaves a member out."""
    machine = {
        "console-enabled": False,
        "interactive-console-enabled": False,
        "secure-boot": True,
        "tpm-enabled": True,
        "tpm-persisted": False,
        "vmUniqueId": VM_ID,
    } | changes.pop("machine", {})
    document = {
        "keys": [jwk(), jwk(kid="HCLEkPub")],
        "vm-configuration": {name: value for name, value in machine.items() if value is not None},
        "user-data": BINDING.hex().upper(),
    } | changes
    kept = {name: value for name, value in document.items() if value is not None}
    return json.dumps(kept, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedHcl:
    """The paravisor's report, to be changed one field at a time."""

    hardware: bytes
    claims: bytes = field(default_factory=make_claims)
    magic: bytes = b"HCLA"
    version: int = 2
    unmeasured: bytes = struct.pack("<III", 2346, 2, 0) + bytes(12)
    data_version: int = 1
    kind: int = SNP
    hash_type: int = 1
    size: int | None = None
    length: int | None = None
    tail: bytes = bytes(100)

    def encode(self) -> bytes:
        """Write it."""
        more = bytes(4) if self.data_version == 2 else b""
        length = len(self.claims) if self.length is None else self.length
        size = 20 + len(more) + len(self.claims) if self.size is None else self.size
        return (
            self.magic
            + struct.pack("<I", self.version)
            + self.unmeasured
            + self.hardware.ljust(1184, b"\0")
            + struct.pack("<IIIII", size, self.data_version, self.kind, self.hash_type, length)
            + more
            + self.claims
            + self.tail
        )


def digest_of(claims: bytes, name: str = "sha256") -> bytes:
    """Digest claims as the hardware report carries it."""
    return hashlib.new(name, claims).digest().ljust(64, b"\0")


def make_quote(key: ForgedKey = RSA_AK, **changes: Any) -> tuple[bytes, bytes]:
    """Make a quote of the virtual TPM and its bare signature."""
    quote = ForgedQuote(
        extra_data=expected_in(Channel.TPM, BINDING),
        selections=(selection(pcrs=tuple(PCRS)),),
        values=PCRS,
    )
    message = replace(quote, **changes).encode()
    return message, parse_signature(key.sign(message)).parts[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a forger sets on a machine.

    Attributes:
        kind: ``SNP`` or ``TDX``.
        claims: Runtime claims.
        hcl: Fields of the paravisor's report.
        report_data: What the hardware report carries; the digest by default.
        quote: Message and signature.
        pcrs: Values in the evidence.
        hardware: Fields of the SEV-SNP report.
        td_quote: Replaces the quote of a TDX machine.
        log: Log of the runtime register.
    """

    kind: int = SNP
    claims: bytes = field(default_factory=make_claims)
    hcl: Mapping[str, Any] = field(default_factory=dict)
    report_data: bytes | None = None
    quote: tuple[bytes, bytes] = field(default_factory=make_quote)
    pcrs: tuple[bytes, ...] = tuple(PCRS.values())
    hardware: Mapping[str, Any] = field(default_factory=dict)
    td_quote: bytes | None = None
    log: RuntimeLog | NoRuntimeLog = LOG

    def report(self) -> AzureReport:
        """Make the parts."""
        data = digest_of(self.claims) if self.report_data is None else self.report_data
        hardware, td_quote = b"TDREPORT", b""
        if self.kind == SNP:
            hardware = snp_forge.make_report(report_data=data, **self.hardware)
        else:
            wrong = dcap_forge.Wrong(body=dcap_forge.domain(report_data=data))
            td_quote = dcap_forge.make_quote(wrong=wrong)
        fields = {"hardware": hardware, "claims": self.claims, "kind": self.kind} | self.hcl
        return AzureReport(
            hcl=ForgedHcl(**fields).encode(),
            message=self.quote[0],
            signature=self.quote[1],
            pcrs=self.pcrs,
            td_quote=td_quote if self.td_quote is None else self.td_quote,
            runtime=self.log,
        )

    def item(self) -> EvidenceItem:
        """Make the evidence with its collateral."""
        collateral = (
            snp_forge.make_collateral()
            if self.kind == SNP
            else {"dcap": dcap_forge.make_collateral()}
        )
        return EvidenceItem(
            platform="snp-azure-vtpm" if self.kind == SNP else "tdx-azure-vtpm",
            report=encode_report(self.report()),
            collateral=collateral,
        )
