# SPDX-License-Identifier: Apache-2.0
"""What genuine Azure evidence claims: processor, virtual TPM and configuration."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import AzureFacts, NoRuntimeLog, QuoteFacts, RuntimeLog
from cleanroom.attestation.platform import Carried, Check, Claims
from cleanroom.attestation.platforms.azure_cvm.runtime_claims import RuntimeClaims
from cleanroom.attestation.platforms.sev_snp.claims import GenuineSnp
from cleanroom.attestation.platforms.sev_snp.claims import claims_of as plain_snp_claims
from cleanroom.attestation.platforms.tdx.claims import GenuineQuote, domain_claims
from cleanroom.attestation.platforms.tpm.quote import QuotedRegisters
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

SNP_PLATFORM = "snp-azure-vtpm"
TDX_PLATFORM = "tdx-azure-vtpm"
QUOTE_PLACE = "quote"
USER_DATA_PLACE = "user-data"
KEY_TRUST = "hcl-report"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTpm:
    """A genuine quote of the paravisor's TPM; made by ``verify_virtual_tpm`` alone.

    Attributes:
        registers: What it vouches for.
        key: By which key.
        runtime: Log of the runtime register, replayed.
    """

    registers: QuotedRegisters
    key: rsa.RSAPublicKey
    runtime: RuntimeLog | NoRuntimeLog


def snp_claims(genuine: GenuineSnp, runtime: RuntimeClaims, tpm: VirtualTpm) -> Claims:
    """Write the claims of the ``snp-azure-vtpm`` kind."""
    return _with_tpm(plain_snp_claims(genuine), SNP_PLATFORM, runtime, tpm)


def tdx_claims(genuine: GenuineQuote, runtime: RuntimeClaims, tpm: VirtualTpm) -> Claims:
    """Write the claims of the ``tdx-azure-vtpm`` kind."""
    return _with_tpm(domain_claims(genuine), TDX_PLATFORM, runtime, tpm)


def _with_tpm(hardware: Claims, platform: str, runtime: RuntimeClaims, tpm: VirtualTpm) -> Claims:
    quote = tpm.registers.quote
    return replace(
        hardware,
        platform=platform,
        # The hardware's own 64 bytes hold the digest of the claims, which is checked.
        carried=(
            Carried(place=QUOTE_PLACE, channel=Channel.TPM, found=quote.extra_data),
            Carried(place=USER_DATA_PLACE, channel=Channel.REPORT, found=runtime.user_data),
        ),
        facts=(*hardware.facts, _quote_facts(tpm), _azure_facts(runtime)),
        checks=(*hardware.checks, *_checks(tpm, runtime)),
    )


def _quote_facts(tpm: VirtualTpm) -> QuoteFacts:
    registers = tpm.registers
    spki = tpm.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return QuoteFacts(
        bank=registers.selection.bank.name.lower(),
        pcrs=dict(registers.values),
        key=Digest.of(spki),
        key_trust=KEY_TRUST,
        clock=registers.quote.clock,
        resets=registers.quote.reset_count,
        restarts=registers.quote.restart_count,
        firmware=registers.quote.firmware_version,
        runtime=tpm.runtime,
    )


def _azure_facts(runtime: RuntimeClaims) -> AzureFacts:
    return AzureFacts(
        vm_id=runtime.vm_id,
        secure_boot=runtime.secure_boot,
        console=runtime.console,
        interactive_console=runtime.interactive_console,
        tpm_persisted=runtime.tpm_persisted,
    )


def _checks(tpm: VirtualTpm, runtime: RuntimeClaims) -> tuple[Check, ...]:
    found = (
        ("runtime claims", "digested by the hardware report"),
        ("attestation key", "the one of the runtime claims"),
        ("quote", f"RSASSA over {tpm.registers.selection}"),
        ("registers", "their digest is the quoted one"),
        (
            "runtime log",
            f"replays to register {tpm.runtime.register}"
            if isinstance(tpm.runtime, RuntimeLog)
            else "none supplied: what runs now is unknown",
        ),
        ("user data", f"{len(runtime.user_data)} bytes in the hardware report"),
    )
    return tuple(Check(name=name, found=text) for name, text in found)
