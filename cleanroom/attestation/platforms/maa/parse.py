# SPDX-License-Identifier: Apache-2.0
"""The claims of a token about an SEV-SNP or TDX machine, from verified JSON.

Source: Microsoft, "Claim sets issued by Azure Attestation" and "EAT profile for Intel
Trust Domain Extensions". A confidential VM's guest attestation nests the hardware's
claims in ``x-ms-isolation-tee``; the direct interfaces have them at the top.

=====================================  =========================================
claim                                  meaning
=====================================  =========================================
x-ms-attestation-type                  ``azurevm`` outside, ``sevsnpvm`` or ``tdxvm`` inside
x-ms-compliance-status                 ``azure-compliant-cvm``
secureboot, x-ms-azurevm-vmid          of the guest
x-ms-azurevm-*debug*-enabled           debuggers of boot, hypervisor, kernel
x-ms-sevsnpvm-launchmeasurement        48 bytes, hexadecimal
x-ms-sevsnpvm-idkeydigest              48 bytes, hexadecimal
x-ms-sevsnpvm-hostdata                 32 bytes, hexadecimal
x-ms-sevsnpvm-guestsvn, -vmpl, *-svn   whole numbers
x-ms-sevsnpvm-is-debuggable            true or false
tdx_mrtd, tdx_rtmr0 to 3, tdx_mr*      48 bytes, hexadecimal
tdx_td_attributes_debug                true or false
attester_tcb_status                    Intel's word about the firmware
x-ms-runtime.client-payload.nonce      base64 of what the client asked for
=====================================  =========================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cleanroom.attestation.facts import MaaFacts, MaaSnp, MaaTdx
from cleanroom.attestation.tokens.claims import (
    flag_claim,
    hex_claim,
    number_claim,
    object_claim,
    text_claim,
)
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64

WHAT = "maa token"
_TEE = "x-ms-attestation-type"
_ISOLATION = "x-ms-isolation-tee"
_COMPLIANCE = "x-ms-compliance-status"
_SNP = "x-ms-sevsnpvm-"
_TDX = "tdx_"
_TCB = {
    "bootloader": "bootloader-svn",
    "tee": "tee-svn",
    "snp": "snpfw-svn",
    "microcode": "microcode-svn",
}
_DEBUGGERS = tuple(
    f"x-ms-azurevm-{name}" for name in ("bootdebug", "hypervisordebug", "kerneldebug")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaaClaims:
    """What a verified token says.

    Attributes:
        facts: For appraisal.
        debug: The hardware's debug mode, or a debugger in the guest.
        nonce: What the client asked for; empty if it asked for nothing.
        policy: Hash of the policy that the service applied, as it writes it.
    """

    facts: MaaFacts
    debug: bool
    nonce: bytes
    policy: str


def read_claims(claims: Mapping[str, Any], *, issuer: str) -> MaaClaims:
    """Read the claims of a token whose signature held.

    Raises:
        MalformedError: A claim is missing or of another form.
        EvidenceRefusedError: About another kind of machine.
    """
    nested = _ISOLATION in claims
    tee = object_claim(claims, _ISOLATION, what=WHAT) if nested else claims
    kind = text_claim(tee, _TEE, what=WHAT)
    if kind not in _HARDWARE or (nested and text_claim(claims, _TEE, what=WHAT) != "azurevm"):
        raise EvidenceRefusedError(
            f"{WHAT}: found {kind[:32]}, agreed {' or '.join(_HARDWARE)}, by itself or in an"
            " azurevm",
            code="maa.tee",
        )
    hardware, debuggable = _HARDWARE[kind](tee)
    facts = MaaFacts(
        issuer=issuer,
        tee=kind,
        guest=nested,
        compliance=text_claim(tee, _COMPLIANCE, what=WHAT) if nested or _COMPLIANCE in tee else "",
        secure_boot=flag_claim(claims, "secureboot", what=WHAT) if nested else False,
        vm_id=text_claim(claims, "x-ms-azurevm-vmid", what=WHAT).lower() if nested else "",
        hardware=hardware,
    )
    # A Linux guest reports none of the three; one that reports one must say which.
    attached = [
        flag_claim(claims, f"{name}-enabled", what=WHAT)
        for name in _DEBUGGERS
        if f"{name}-enabled" in claims
    ]
    return MaaClaims(
        facts=facts,
        debug=debuggable or any(attached),
        nonce=_nonce(claims),
        policy=text_claim(claims, "x-ms-policy-hash", what=WHAT),
    )


def _snp(tee: Mapping[str, Any]) -> tuple[MaaSnp, bool]:
    found = MaaSnp(
        launch=hex_claim(tee, f"{_SNP}launchmeasurement", size=48, what=WHAT),
        id_key=hex_claim(tee, f"{_SNP}idkeydigest", size=48, what=WHAT),
        guest_svn=number_claim(tee, f"{_SNP}guestsvn", what=WHAT),
        host_data=hex_claim(tee, f"{_SNP}hostdata", size=32, what=WHAT),
        vmpl=number_claim(tee, f"{_SNP}vmpl", what=WHAT),
        tcb={name: number_claim(tee, _SNP + claim, what=WHAT) for name, claim in _TCB.items()},
    )
    return found, flag_claim(tee, f"{_SNP}is-debuggable", what=WHAT)


def _tdx(tee: Mapping[str, Any]) -> tuple[MaaTdx, bool]:
    def register(name: str) -> bytes:
        return hex_claim(tee, f"{_TDX}{name}", size=48, what=WHAT)

    found = MaaTdx(
        mrtd=register("mrtd"),
        rtmrs=tuple(register(f"rtmr{number}") for number in range(4)),
        mrconfigid=register("mrconfigid"),
        mrowner=register("mrowner"),
        mrownerconfig=register("mrownerconfig"),
        mrseam=register("mrseam"),
        mrsignerseam=register("mrsignerseam"),
        tcb_status=text_claim(tee, "attester_tcb_status", what=WHAT),
    )
    return found, flag_claim(tee, f"{_TDX}td_attributes_debug", what=WHAT)


_HARDWARE: Mapping[str, Callable[[Mapping[str, Any]], tuple[MaaSnp | MaaTdx, bool]]] = {
    "sevsnpvm": _snp,
    "tdxvm": _tdx,
}


def _nonce(claims: Mapping[str, Any]) -> bytes:
    runtime = object_claim(claims, "x-ms-runtime", what=WHAT) if "x-ms-runtime" in claims else {}
    if "client-payload" not in runtime:
        return b""
    payload = object_claim(runtime, "client-payload", what=WHAT)
    return decode_base64(text_claim(payload, "nonce", what=WHAT), what=f"{WHAT} nonce")
