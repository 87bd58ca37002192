# SPDX-License-Identifier: Apache-2.0
"""What a genuine Nitro document claims: which image, what the guest put in, and when."""

from __future__ import annotations

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import NitroFacts
from cleanroom.attestation.foreign_facts import NitroTpmFacts
from cleanroom.attestation.platform import Carried, Check, Claims, SelfReported
from cleanroom.attestation.platforms.nitro.parse import NitroDocument
from cleanroom.attestation.platforms.nitro.root import INSTANCE_PLATFORM, PLATFORM

USER_DATA = "user_data"
NONCE = "nonce"

# PCR0 to PCR2 measure the image; a debug enclave reports zeros for what it ran.
_IMAGE_PCRS = (0, 1, 2)


def claims_of(document: NitroDocument) -> Claims:
    """Turn an enclave's document whose chain and signature hold into claims."""
    debug = is_debug(document)
    return Claims(
        platform=PLATFORM,
        confidential=True,
        runner=SelfReported(),
        carried=_carried(document),
        debug=debug,
        issued_at=document.timestamp,
        facts=(NitroFacts(pcrs=document.pcrs, module_id=document.module_id),),
        collateral=(),
        checks=(
            *_checks(document),
            Check(name="debug", found="on: PCR0 to PCR2 are zero" if debug else "off"),
        ),
        details=_details(document),
    )


def instance_claims(document: NitroDocument) -> Claims:
    """Turn a virtual machine's document whose chain and signature hold into claims.

    There is no debug mode to report: whoever runs the machine gets in as far as its image
    lets them, which its registers tell to a reader who knows the image.
    """
    return Claims(
        platform=INSTANCE_PLATFORM,
        confidential=False,
        runner=SelfReported(),
        carried=_carried(document),
        debug=False,
        issued_at=document.timestamp,
        facts=(NitroTpmFacts(pcrs=document.pcrs, module_id=document.module_id),),
        collateral=(),
        checks=(
            *_checks(document),
            Check(name="registers", found=f"{len(document.pcrs)} of its NitroTPM, SHA-384"),
        ),
        details=_details(document),
    )


def _carried(document: NitroDocument) -> tuple[Carried, ...]:
    return (
        Carried(place=USER_DATA, channel=Channel.REPORT, found=document.user_data),
        Carried(place=NONCE, channel=Channel.FREE, found=document.nonce),
        Carried(place="public_key", channel=Channel.FREE, found=document.public_key),
    )


def _checks(document: NitroDocument) -> tuple[Check, ...]:
    return (
        Check(name="chain", found="to the pinned root of AWS Nitro Enclaves"),
        Check(name="signature", found=f"by {document.module_id}"),
    )


def _details(document: NitroDocument) -> dict[str, str]:
    pcrs = ", ".join(map(str, sorted(document.pcrs)))
    return {"module": document.module_id, "pcrs": pcrs}


def is_debug(document: NitroDocument) -> bool:
    """Tell whether the enclave runs in debug mode; one image register of zeros will do."""
    zero = bytes(48)
    return any(document.pcrs.get(index, zero) == zero for index in _IMAGE_PCRS)
