# SPDX-License-Identifier: Apache-2.0
"""A stranger's quote to evidence, and where Intel's collateral comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.pem import PEM_MARK, split_loose_pem
from cleanroom.attestation.platforms.tdx.parse import SGX_TEE, TDX_TEE, parse_quote
from cleanroom.attestation.platforms.tdx.root import INTEL_PINS
from cleanroom.attestation.platforms.tdx.second import load_library
from cleanroom.attestation.platforms.tdx.verify import COLLATERAL_ITEM
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.digest import Digest

INTEL_PCS = "https://api.trustedservices.intel.com"

_VERSIONS = range(3, 6)
_HEAD_BYTES = 8


def looks_like(data: bytes, *, tee: int) -> bool:
    """Tell whether bytes begin like a quote of one TEE."""
    head = decoded_text(data)[:_HEAD_BYTES]
    version = int.from_bytes(head[:2], "little")
    return (
        len(head) == _HEAD_BYTES and version in _VERSIONS and head[4:] == tee.to_bytes(4, "little")
    )


def quote_item(platform: str, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a quote, raw or as text, and of Intel's collateral.

    Raises:
        MalformedError: More than one further file beside Intel's root.
    """
    return EvidenceItem(
        platform=platform,
        report=decoded_text(report),
        collateral=sort_collateral(files),
    )


def sort_collateral(files: Sequence[bytes]) -> dict[str, bytes]:
    """Find Intel's collateral among files; Intel's own root may stand beside it.

    Raises:
        MalformedError: More than one file.
        IntegrityError: A certificate that is not Intel's root.
    """
    documents = [file for file in files if not _is_root(file)]
    if len(documents) > 1:
        raise MalformedError(
            f"dcap evidence: found {len(documents)} files against one of collateral",
            code="dcap.collateral",
            hint="join the pieces into the one JSON object that dcap-qvl writes",
        )
    return {COLLATERAL_ITEM: documents[0]} if documents else {}


def collateral_requests(
    quote: bytes, *, have: Mapping[str, bytes]
) -> tuple[CollateralRequest, ...]:
    """List nothing: Intel sends issuer chains as headers, so one body is not enough.

    An operator uses :func:`fetch_collateral`, or a caching service of the cloud.

    Raises:
        MalformedError: Not a quote.
    """
    del have
    parse_quote(quote)
    return ()


def requests_of(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """List what an item still needs; see :func:`collateral_requests`.

    Raises:
        MalformedError: Not a quote.
    """
    return collateral_requests(item.report, have=item.collateral)


def fetch_collateral(
    quote: bytes, *, url: str = INTEL_PCS, load: Callable[[], ModuleType] = load_library
) -> bytes:
    """Fetch the ``dcap`` item from Intel or a cache of it; an operator's step, never a verifier's.

    Args:
        quote: The quote.
        url: Intel's service, or a PCCS.
        load: Returns the library.

    Raises:
        MalformedError: Not a quote.
        UnavailableError: The library is not installed, or the service does not answer.
    """
    raw = parse_quote(quote).raw
    library = load()
    try:
        collateral = asyncio.run(library.get_collateral(url, raw))
    except (RuntimeError, ValueError):
        raise UnavailableError(
            "dcap collateral: the service did not answer", code="dcap.fetch"
        ) from None
    text: str = collateral.to_json()
    return text.encode()


def _is_root(file: bytes) -> bool:
    if not file.lstrip().startswith(PEM_MARK):
        return False
    # The quote brings its own chain; whatever else is brought must not look as if it counted.
    for certificate in split_loose_pem(file, what="dcap certificates"):
        INTEL_PINS.root.require(Digest.of(certificate), what="intel root")
    return True


def recognises_tdx(data: bytes) -> bool:
    """Tell whether bytes look like a TDX quote."""
    return looks_like(data, tee=TDX_TEE)


def recognises_sgx(data: bytes) -> bool:
    """Tell whether bytes look like an SGX quote."""
    return looks_like(data, tee=SGX_TEE)
