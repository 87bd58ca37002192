# SPDX-License-Identifier: Apache-2.0
"""A stranger's quote to evidence, and where Intel's collateral comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.pem import PEM_MARK, split_loose_pem
from cleanroom.attestation.platforms.tdx.boot_log import LOG_ITEM, is_boot_log, without_padding
from cleanroom.attestation.platforms.tdx.parse import ECDSA_P256, SGX_TEE, TDX_TEE, parse_quote
from cleanroom.attestation.platforms.tdx.pieces import join_pieces, requests_for
from cleanroom.attestation.platforms.tdx.root import INTEL_PINS
from cleanroom.attestation.platforms.tdx.verify import COLLATERAL_ITEM
from cleanroom.attestation.platforms.text_forms import decoded_text, require_pairs
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest

# A member that the one JSON object has and no piece of it.
_WHOLE = b'"tcb_info_issuer_chain"'
_VERSIONS = range(3, 6)
_HEAD_BYTES = 8


def looks_like(data: bytes, *, tee: int) -> bool:
    """Tell whether bytes begin like a quote of one TEE."""
    head = decoded_text(data)[:_HEAD_BYTES]
    # The kind of key as well: a report of AMD's begins with a version and zeros, too.
    rest = ECDSA_P256.to_bytes(2, "little") + tee.to_bytes(4, "little")
    return int.from_bytes(head[:2], "little") in _VERSIONS and head[2:] == rest


def quote_item(platform: str, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a quote, raw or as text, and of Intel's collateral.

    Raises:
        MalformedError: Pieces of collateral that do not make a whole; see :func:`join_pieces`.
    """
    quote = decoded_text(require_pairs(report, what="dcap quote"))
    logs = [file for file in dict.fromkeys(files) if is_boot_log(file)]
    if len(logs) > 1:
        raise MalformedError("event log: found two, agreed one", code="dcap.ccel")
    others = [file for file in files if not is_boot_log(file)]
    collateral = sort_collateral(quote, others)
    if logs:
        collateral[LOG_ITEM] = without_padding(logs[0])
    return EvidenceItem(platform=platform, report=quote, collateral=collateral)


def sort_collateral(quote: bytes, files: Sequence[bytes]) -> dict[str, bytes]:
    """Find Intel's collateral among files, whole or in pieces; its root may stand beside it.

    Raises:
        MalformedError: Pieces that do not make a whole, or a quote that they cannot be for.
        IntegrityError: A certificate alone that is not Intel's root.
    """
    # A revocation list may be wrapped like everything else that people copy.
    documents = [_plain(file) for file in dict.fromkeys(files) if not _is_root(file)]
    if len(documents) == 1 and _WHOLE in documents[0]:
        return {COLLATERAL_ITEM: documents[0]}
    return {COLLATERAL_ITEM: join_pieces(parse_quote(quote), documents)} if documents else {}


def collateral_requests(
    quote: bytes, *, have: Mapping[str, bytes]
) -> tuple[CollateralRequest, ...]:
    """List what Intel's service has for a quote; nothing if its collateral is there.

    Raises:
        MalformedError: Not a quote.
    """
    parsed = parse_quote(quote)
    return () if COLLATERAL_ITEM in have else requests_for(parsed)


def requests_of(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """List what an item still needs; see :func:`collateral_requests`.

    Raises:
        MalformedError: Not a quote.
    """
    return collateral_requests(item.report, have=item.collateral)


def _is_root(file: bytes) -> bool:
    if not file.lstrip().startswith(PEM_MARK):
        return False
    certificates = split_loose_pem(file, what="dcap certificates")
    if len(certificates) > 1:
        return False
    # The quote brings its own chain; whatever else is brought must not look as if it counted.
    INTEL_PINS.root.require(Digest.of(certificates[0]), what="intel root")
    return True


def _plain(file: bytes) -> bytes:
    binary_or_marked = file[:1] == b"\x30" or file.lstrip().startswith((b"{", b"-"))
    return file if binary_or_marked else decoded_text(file)


def recognises_tdx(data: bytes) -> bool:
    """Tell whether bytes look like a TDX quote."""
    return looks_like(data, tee=TDX_TEE)


def recognises_sgx(data: bytes) -> bool:
    """Tell whether bytes look like an SGX quote."""
    return looks_like(data, tee=SGX_TEE)
