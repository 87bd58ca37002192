# SPDX-License-Identifier: Apache-2.0
"""Intel's collateral piece by piece, as its Provisioning Certification Service has it.

Four answers make the one item that verifiers read: two revocation lists, TCB info and
the identity of the quoting enclave (Intel PCS API version 4). The service sends the
certificates of their signers as headers. What is signed is the exact text inside an
answer, so it is cut out of it and never written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.certificates import load_certificate
from cleanroom.attestation.collateral import CollateralRequest, split_issuer
from cleanroom.attestation.pem import PEM_MARK, pem_of, split_loose_pem, split_pem
from cleanroom.attestation.platforms.tdx.collateral import MAX_COLLATERAL_BYTES
from cleanroom.attestation.platforms.tdx.parse import SGX_TEE, PckName, Quote
from cleanroom.attestation.platforms.tdx.pck import platform_of
from cleanroom.attestation.platforms.tdx.structure import chain_text
from cleanroom.attestation.revocation import load_crl
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.strict_json import parse_json

SERVICE = "https://api.trustedservices.intel.com"
ROOT_LIST = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

_WHAT = "dcap collateral"
_PCK_CHAIN = "pck_certificate_chain"
_SIGNED = {"tcbInfo": "tcb_info", "enclaveIdentity": "qe_identity"}
_OPENING = re.compile(r'\s*\{\s*"(tcbInfo|enclaveIdentity)"\s*:\s*')
_CLOSING = re.compile(r'\s*,\s*"signature"\s*:\s*"([0-9a-fA-F]{128})"\s*\}\s*')
_LIST_MARK = b"-----BEGIN X509 CRL"
_DER = b"\x30"
# What people call the nine texts.
_NAMES = {
    "pck_crl_issuer_chain": "the issuers of the pck crl",
    "root_ca_crl": "root crl",
    "pck_crl": "pck crl",
    "tcb_info_issuer_chain": "the signers of tcb info",
    "tcb_info": "tcb info",
    "qe_identity_issuer_chain": "the signers of the qe identity",
    "qe_identity": "qe identity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issuers:
    """The certificates of a quote above its leaf; unverified."""

    middle: x509.Certificate
    root: x509.Certificate


@dataclass(slots=True, kw_only=True)
class _Found:
    """Texts by name, collected from files one after the other."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        if self.texts.setdefault(name, text) != text:
            raise MalformedError(
                f"{_WHAT}: found two of {_NAMES.get(name, name)}, agreed one",
                code="dcap.collateral",
            )


def requests_for(quote: Quote) -> tuple[CollateralRequest, ...]:
    """List the four answers that Intel's service has for a quote.

    Raises:
        MalformedError: The quote brings no chain that names its platform.
    """
    leaf, issuers = _chain_of(quote)
    tee = "sgx" if quote.tee == SGX_TEE else "tdx"
    authority = (
        "processor" if "Processor" in issuers.middle.subject.rfc4514_string() else "platform"
    )
    fmspc = platform_of(leaf).fmspc.hex().upper()
    return (
        _request(
            "pck-crl",
            f"{SERVICE}/sgx/certification/v4/pckcrl?ca={authority}&encoding=der",
            "SGX-PCK-CRL-Issuer-Chain",
        ),
        _request("root-crl", ROOT_LIST, ""),
        _request(
            "tcb-info",
            f"{SERVICE}/{tee}/certification/v4/tcb?fmspc={fmspc}",
            "TCB-Info-Issuer-Chain",
        ),
        _request(
            "qe-identity",
            f"{SERVICE}/{tee}/certification/v4/qe/identity",
            "SGX-Enclave-Identity-Issuer-Chain",
        ),
    )


def join_pieces(quote: Quote, files: Sequence[bytes]) -> bytes:
    """Write the one item from its pieces.

    Args:
        quote: What the collateral is for; its own issuers stand in for those of the PCK
            list, if no file brings them.
        files: Answers, lists and chains, in any order.

    Raises:
        MalformedError: A file that is none of them, two of one sort, or one that is missing.
    """
    pieces = [piece for file in files for piece in _unpacked(file)]
    chains = [piece for piece in pieces if _is_whole_chain(piece)]
    found = _Found()
    if isinstance(quote.chain, PckName):
        for chain in chains:
            found.add(_PCK_CHAIN, _spelled(chain))
    _, issuers = _chain_of(quote, found.texts.get(_PCK_CHAIN, ""))
    for piece in pieces:
        if not (isinstance(quote.chain, PckName) and piece in chains):
            _add(piece, found, issuers)
    texts = {"pck_crl_issuer_chain": _chain_text((issuers.middle, issuers.root)), **found.texts}
    missing = [words for name, words in _NAMES.items() if name not in texts]
    if missing:
        raise MalformedError(
            f"{_WHAT}: found {', '.join(_NAMES[name] for name in _NAMES if name in found.texts)},"
            f" missing {', '.join(missing)}",
            code="dcap.collateral-missing",
            hint="cleanroom attest fetch gets all of it; signers come in headers of the answers",
        )
    return canonical_json(texts)


def _request(name: str, url: str, header: str) -> CollateralRequest:
    return CollateralRequest(
        name=name,
        url=url,
        method="GET",
        headers={},
        body=b"",
        issuer_header=header,
        dated=True,
    )


def _chain_of(quote: Quote, beside: str = "") -> tuple[x509.Certificate, _Issuers]:
    found = [
        load_certificate(item, what="pck chain")
        for item in split_pem(chain_text(quote, lambda: beside), what="pck chain")
    ]
    if len(found) != 3:  # noqa: PLR2004 - PCK, issuer, root
        raise MalformedError(
            f"pck chain: found {len(found)} certificates against 3", code="dcap.chain-length"
        )
    return found[0], _Issuers(middle=found[1], root=found[2])


def _unpacked(file: bytes) -> Iterator[bytes]:
    parts = split_issuer(file)
    if parts is None:
        yield file
        return
    body, chain = parts
    yield body
    if chain:
        yield chain


def _is_whole_chain(piece: bytes) -> bool:
    # Signers come with one certificate above them, a PCK certificate with two.
    return piece.lstrip().startswith(PEM_MARK) and piece.count(PEM_MARK) == 3  # noqa: PLR2004


def _spelled(chain: bytes) -> str:
    return b"".join(map(pem_of, split_loose_pem(chain, what="pck chain"))).decode("ascii")


def _add(piece: bytes, found: _Found, issuers: _Issuers) -> None:
    text = piece.lstrip()
    if text.startswith(PEM_MARK):
        _add_chain(split_loose_pem(text, what=_WHAT), found, issuers)
    elif text.startswith(b"{"):
        _add_signed(text, found)
    elif text.startswith(_LIST_MARK) or piece.startswith(_DER):
        _add_list(text if text.startswith(_LIST_MARK) else piece, found, issuers)
    else:
        raise MalformedError(
            f"{_WHAT}: found a file that is neither answer, list nor chain, agreed one",
            code="dcap.collateral",
        )


def _add_signed(text: bytes, found: _Found) -> None:
    # Strictly read first, so that no member stands twice and nothing nests without end.
    parse_json(text, what=_WHAT, limit=MAX_COLLATERAL_BYTES)
    written = text.decode("utf-8")
    opening = _OPENING.match(written)
    if opening is not None:
        _, end = json.JSONDecoder().raw_decode(written, opening.end())
        closing = _CLOSING.fullmatch(written, end)
        if closing is not None:
            name = _SIGNED[opening[1]]
            found.add(name, written[opening.end() : end])
            found.add(f"{name}_signature", closing[1])
            return
    raise MalformedError(
        f"{_WHAT}: found JSON that is neither tcbInfo nor enclaveIdentity,"
        " agreed one with its signature",
        code="dcap.collateral",
    )


def _add_list(piece: bytes, found: _Found, issuers: _Issuers) -> None:
    crl = load_crl(piece, what=_WHAT)
    for name, issuer in (("pck_crl", issuers.middle), ("root_ca_crl", issuers.root)):
        if crl.issuer == issuer.subject:
            found.add(name, crl.public_bytes(Encoding.DER).hex())
            return
    raise MalformedError(
        f"{_WHAT}: found a revocation list of neither issuer of this quote",
        code="dcap.collateral",
        hint="the list of the processor's CA is another than that of the platform's",
    )


def _add_chain(encoded: Sequence[bytes], found: _Found, issuers: _Issuers) -> None:
    chain = [load_certificate(item, what=_WHAT) for item in encoded]
    if chain[0].subject == issuers.middle.subject:
        found.add("pck_crl_issuer_chain", _chain_text(chain))
        return
    # One signer signs both documents.
    for name in _SIGNED.values():
        found.add(f"{name}_issuer_chain", _chain_text(chain))


def _chain_text(chain: Sequence[x509.Certificate]) -> str:
    return b"".join(pem_of(item.public_bytes(Encoding.DER)) for item in chain).decode("ascii")
