# SPDX-License-Identifier: Apache-2.0
"""A stranger's files to evidence: which certificate is which?

Certificates come as DER, as PEM in any order, as the JSON of Azure's THIM
service, or as the host's certificate table. What each is for is told from the
pins and from its own subject; nothing is believed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

from cleanroom.attestation import der
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.pem import PEM_MARK, pem_of, split_loose_pem
from cleanroom.attestation.platforms.azure_uvm.endorsement import is_endorsement
from cleanroom.attestation.platforms.sev_snp.chain import (
    CHAIN_ITEM,
    CRL_ITEM,
    UVM_ITEM,
    VEK_ITEM,
)
from cleanroom.attestation.platforms.sev_snp.parse import (
    REPORT_BYTES,
    SigningKey,
    SnpReport,
    parse_report,
)
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.published import published_issuers
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS, Pins
from cleanroom.attestation.platforms.sev_snp.table import (
    ENTRY_BYTES,
    GUID_BYTES,
    TABLE_GUIDS,
    parse_table,
)
from cleanroom.attestation.platforms.sev_snp.vek import (
    HARDWARE_ID_BYTES,
    Vek,
    parse_vek,
    tcb_numbers,
)
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_json import parse_json

KDS = "https://kdsintf.amd.com"
MAX_THIM_BYTES = 64 * 1024

_CRL_MARK = b"-----BEGIN X509 CRL-----"
_CERTIFICATE_START = 0xA0
_VERSIONS = range(2, 16)
_SERVICE = {SigningKey.VCEK: "vcek", SigningKey.VLEK: "vlek"}


def recognises(data: bytes) -> bool:
    """Tell whether bytes look like a report."""
    report, _ = split_extended(data)
    return len(report) == REPORT_BYTES and _begins_like_a_report(report)


def split_extended(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Split an extended report into the report and the host's certificate table behind it."""
    report = decoded_text(data)
    # Anything shorter than an entry is no table: then the report itself has a wrong length.
    if len(report) >= REPORT_BYTES + ENTRY_BYTES and _begins_like_a_report(report):
        return report[:REPORT_BYTES], (report[REPORT_BYTES:],)
    return report, ()


def split_endorsements(files: Sequence[bytes]) -> tuple[dict[str, bytes], list[bytes]]:
    """Split Microsoft's endorsement of a utility VM, raw or as text, from other files.

    Raises:
        MalformedError: Two of them.
    """
    decoded = dict.fromkeys(map(decoded_text, files))
    found = [file for file in decoded if is_endorsement(file)]
    if len(found) > 1:
        raise MalformedError(
            "uvm endorsement: found two beside one report, agreed one", code="snp.collateral"
        )
    others = [file for file in files if not is_endorsement(decoded_text(file))]
    return ({UVM_ITEM: found[0]} if found else {}), others


def _begins_like_a_report(data: bytes) -> bool:
    # A small version, little-endian; a firmware's log begins with register 0 or 1.
    return data[0] in _VERSIONS and data[1:4] == bytes(3)


def sort_collateral(files: Sequence[bytes], *, pins: Mapping[Product, Pins]) -> dict[str, bytes]:
    """Sort certificates and revocation lists into items.

    Args:
        files: In any order.
        pins: Which issuers to look for; others are kept, so that the verifier names them.

    Raises:
        MalformedError: A file that is none of these, or two signing keys or lists.
    """
    # The same certificate may come from two places, and is one all the same.
    pieces = dict.fromkeys(piece for file in files for piece in _pieces(file))
    certificates = [piece for piece in pieces if _is_certificate(piece)]
    lists = [piece for piece in pieces if piece not in certificates]
    found: dict[str, bytes] = {}
    veks = [vek for vek in map(_vek, certificates) if vek is not None]
    if len(veks) > 1 or len(lists) > 1:
        raise MalformedError(
            "snp evidence: found more than one VCEK, VLEK or revocation list", code="snp.collateral"
        )
    if lists:
        found[CRL_ITEM] = lists[0]
    if veks:
        found[VEK_ITEM] = veks[0].encoded
        chain = _chain([item for item in certificates if item != veks[0].encoded], veks[0], pins)
        if chain:
            found[CHAIN_ITEM] = b"".join(map(pem_of, chain))
    return found


def collateral_requests(
    report: SnpReport, *, have: Mapping[str, bytes]
) -> tuple[CollateralRequest, ...]:
    """List what AMD's KDS hands out for a report (AMD 57230 section 4).

    The issuers of all products are in this package. A VLEK comes from the cloud, not
    from the KDS. A report before version 3 does not name its product; a certificate
    that is there does.
    """
    vek = _vek(have.get(VEK_ITEM, b""))
    product = report.product or (vek.product if vek else Product.MILAN)
    service = f"{KDS}/{_SERVICE[report.signing_key]}/v1/{product.value}"
    wanted = {CRL_ITEM: f"{service}/crl"}
    if report.signing_key is SigningKey.VCEK:
        chip = report.chip_id[: HARDWARE_ID_BYTES[product]].hex()
        levels = urlencode(tcb_numbers(report.reported_tcb, product))
        wanted[VEK_ITEM] = f"{service}/{chip}?{levels}"
    return tuple(
        CollateralRequest(
            name=name, url=url, method="GET", headers={}, body=b"", dated=name == CRL_ITEM
        )
        for name, url in wanted.items()
        if name not in have
    )


def requests_of(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """List what a plain report still needs.

    Raises:
        MalformedError: Not a report.
    """
    return collateral_requests(parse_report(item.report), have=item.collateral)


def _pieces(file: bytes) -> Iterator[bytes]:
    text = file.strip()
    if text.startswith(PEM_MARK):
        yield from split_loose_pem(text, what="snp certificates")
    elif text.startswith(_CRL_MARK):
        yield text
    elif text.startswith(b"{"):
        yield from _thim(text)
    elif file[:1] == b"\x30":
        yield file
    elif (decoded := decoded_text(file)) != file:
        yield from _pieces(decoded)
    else:
        yield from _table(file)


def _table(file: bytes) -> Iterator[bytes]:
    try:
        yield from parse_table(file).values()
    except MalformedError:
        if file[:GUID_BYTES] in TABLE_GUIDS:
            raise
        raise MalformedError(
            "snp collateral: found bytes that are neither certificate, list, certificate table"
            " nor endorsement, agreed one of them",
            code="snp.collateral",
        ) from None


def _thim(text: bytes) -> Iterator[bytes]:
    value = parse_json(text, what="snp THIM answer", limit=MAX_THIM_BYTES)
    for name in ("vcekCert", "certificateChain"):
        part = value.get(name)
        if not isinstance(part, str):
            raise MalformedError(
                f"snp THIM answer: no text {name}, agreed vcekCert and certificateChain",
                code="snp.thim",
            )
        yield from split_loose_pem(part.encode(), what=f"snp THIM {name}")


def _is_certificate(piece: bytes) -> bool:
    if piece.startswith(_CRL_MARK):
        return False
    what = "snp collateral"
    outer, _ = der.read_value(piece, what=what)
    signed, _ = der.read_value(outer.content, what=what)
    # A certificate's first member is its version in [0]; a list's is a bare number.
    return signed.content[:1] == bytes([_CERTIFICATE_START])


def _vek(encoded: bytes) -> Vek | None:
    try:
        return parse_vek(encoded)
    except MalformedError:
        return None


def _chain(others: Sequence[bytes], vek: Vek, pins: Mapping[Product, Pins]) -> list[bytes]:
    agreed = pins.get(vek.product)
    if agreed is None:
        return list(others)
    middle = agreed.ask if vek.kind is SigningKey.VCEK else agreed.asvk
    by_digest = {Digest.of(item): item for item in others}
    # Whoever brings no chain, or AMD's issuer without its root, means AMD's own; the
    # verifier still compares the pins.
    if by_digest.keys() <= {middle, agreed.ark} and agreed == AMD_PINS[vek.product]:
        return list(published_issuers(vek.product, vek.kind))
    chosen = [by_digest[pin] for pin in (middle, agreed.ark) if pin in by_digest]
    return chosen if len(chosen) == 2 else list(others)  # noqa: PLR2004 - issuer and root
