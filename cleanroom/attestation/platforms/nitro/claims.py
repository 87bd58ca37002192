# SPDX-License-Identifier: Apache-2.0
"""What a genuine Nitro document claims: which image, what the enclave put in, and when."""

from __future__ import annotations

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import NitroFacts
from cleanroom.attestation.platform import Carried, Check, Claims, SelfReported
from cleanroom.attestation.platforms.nitro.parse import NitroDocument
from cleanroom.attestation.platforms.nitro.root import PLATFORM

USER_DATA = "user_data"
NONCE = "nonce"

# PCR0 to PCR2 measure the image; a debug enclave reports zeros for what it ran.
_IMAGE_PCRS = (0, 1, 2)


def claims_of(document: NitroDocument) -> Claims:
    """Turn a document whose chain and signature hold into claims."""
    debug = is_debug(document)
    return Claims(
        platform=PLATFORM,
        confidential=True,
        runner=SelfReported(),
        carried=(
            Carried(place=USER_DATA, channel=Channel.REPORT, found=document.user_data),
            Carried(place=NONCE, channel=Channel.FREE, found=document.nonce),
            Carried(place="public_key", channel=Channel.FREE, found=document.public_key),
        ),
        debug=debug,
        issued_at=document.timestamp,
        facts=(NitroFacts(pcrs=document.pcrs, module_id=document.module_id),),
        collateral=(),
        checks=(
            Check(name="chain", found="to the pinned root of AWS Nitro Enclaves"),
            Check(name="signature", found=f"by {document.module_id}"),
            Check(name="debug", found="on: PCR0 to PCR2 are zero" if debug else "off"),
        ),
        details={"module": document.module_id, "pcrs": ", ".join(map(str, sorted(document.pcrs)))},
    )


def is_debug(document: NitroDocument) -> bool:
    """Tell whether the enclave runs in debug mode; one image register of zeros will do."""
    zero = bytes(48)
    return any(document.pcrs.get(index, zero) == zero for index in _IMAGE_PCRS)
