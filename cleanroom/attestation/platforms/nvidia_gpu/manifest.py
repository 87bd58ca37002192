# SPDX-License-Identifier: Apache-2.0
"""Reference manifests (RIM): which measurements NVIDIA published for one version.

A SWID tag (ISO/IEC 19770-2) with an enveloped XML signature. XML signatures have let
forgers in wherever a reader looked at another element than the verifier. Here the
signature must be of one exact shape, and everything is read from the verified octets.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.certificates import (
    MAX_CHAIN,
    load_certificate,
    verify_chain,
)
from cleanroom.attestation.platforms.nvidia_gpu.root import ISSUED
from cleanroom.attestation.platforms.nvidia_gpu.xml_canonical import (
    Part,
    parts_of,
    read_octets,
)
from cleanroom.attestation.signers import elliptic_key, require_ecdsa, require_signer
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
HASH = "http://www.w3.org/2001/04/xmlenc#sha384"

_C14N = "http://www.w3.org/2006/12/xml-c14n11"
_ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_WHAT = "nvidia manifest"
_SIGNATURE_BYTES = 96
_HASH_BYTES = 48
_SMALL = re.compile(r"0|[1-9][0-9]{0,2}")
_VERSION = re.compile(r"[0-9A-Za-z.]{1,32}")
_HEX = re.compile(r"[0-9a-fA-F]{96}")
_STATES = {"True": True, "False": False}
_RESOURCE = f"{{{SWID}}}Resource"
_HASHES = f"{{{HASH}}}"
_SIGNATURE, _SIGNED_INFO = (DSIG, "Signature"), (DSIG, "SignedInfo")
_PARTS = frozenset({_SIGNATURE, _SIGNED_INFO})

_HASH_NAMES = tuple(f"{_HASHES}Hash{number}" for number in range(1000))
_REMEMBERED = 32

_Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A verified manifest.

    Attributes:
        digest: SHA-256 of the exact document.
        product: Chip that it is for, for example ``GH100``.
        version: Driver or VBIOS version, lower case.
        active: SPDM index, from 1, to the values that are in order.
        chain: The signer's certificates, leaf first, root last.
    """

    digest: Digest
    product: str
    version: str
    active: Mapping[int, frozenset[bytes]]
    chain: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A manifest's pieces; unverified.

    Attributes:
        value: r and s, 48 bytes each, big-endian.
        chain: Who claims to have signed, leaf first.
        octets: What the signature covers, canonical.
        content: The document without its signature, canonical.
    """

    value: bytes
    chain: tuple[x509.Certificate, ...]
    octets: bytes
    content: bytes


def verify_manifest(document: bytes, *, root: Digest, at: dt.datetime) -> Manifest:
    """Return what a manifest says, if its maker signed exactly that.

    Args:
        document: The XML as published.
        root: Pin of the manifest root.
        at: The time to judge certificates by.

    Raises:
        MalformedError: 1. Not XML of the accepted subset. 2. A signature of another shape.
        IntegrityError: 3. Another root. 4. or 5. A signature or a digest that does not match.
        EvidenceRefusedError: 3. A certificate out of its time.
    """
    # 1. No document type, entity or comment: nothing that two readers see differently.
    # 2. One signature, in one place, over everything else, with one algorithm: the
    # attacker of an XML signature chooses what is covered (signature wrapping).
    # 3. Who signed? The certificates in the document are data.
    chain = _read_signed(document).chain
    verify_chain(chain, pin=root, at=at, what=_WHAT, issued=ISSUED)
    require_signer(chain, what=_WHAT)
    # 4., 5. Only what that signature covers is read.
    return _covered(document)


def forget_manifests() -> None:
    """Forget what was read and which signatures held, so that a benchmark pays for all of it."""
    _read_signed.cache_clear()
    _covered.cache_clear()


# What a document says, and whether its own certificate's key signed that, never changes; only
# what held is remembered, by the whole document. Pins and time are judged each time.
@functools.lru_cache(maxsize=_REMEMBERED)
def _read_signed(document: bytes) -> _Signed:
    signature, signed_info = _signature_of(parts_of(document, _PARTS))
    value, key_info = _value_and_key(read_octets(signature.canonical()))
    return _Signed(
        value=value,
        chain=_certificates(key_info),
        octets=signed_info.canonical(),
        content=signature.around(),
    )


@functools.lru_cache(maxsize=_REMEMBERED)
def _covered(document: bytes) -> Manifest:
    signed = _read_signed(document)
    # 4. Signed are the canonical octets, and only they are read from here on.
    key = elliptic_key(signed.chain[0], curve=ec.SECP384R1, what=_WHAT)
    require_ecdsa(
        key, signature=signed.value, signed=signed.octets, algorithm=hashes.SHA384(), what=_WHAT
    )
    expected = _signed_digest(read_octets(signed.octets))
    # 5. The digest covers the document without its signature, canonical too.
    if not hmac.compare_digest(hashlib.sha384(signed.content).digest(), expected):
        raise IntegrityError(
            f"{_WHAT}: the document is not the signed one, agreed that",
            code="nvidia.manifest-digest",
        )
    return _read(read_octets(signed.content), digest=Digest.of(document), chain=signed.chain)


def signers_of(document: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates that a manifest brings, leaf first; unverified.

    Raises:
        MalformedError: Not XML of the accepted subset, or a signature of another shape.
    """
    return _read_signed(document).chain


def _signature_of(parts: tuple[Part, ...]) -> tuple[Part, Part]:
    signatures = [part for part in parts if part.name == _SIGNATURE]
    if len(signatures) != 1 or signatures[0].depth != 1:
        raise _malformed(f"{len(signatures)} signatures, agreed one, directly in the document")
    (signature,) = signatures
    within = [part for part in parts if part.name == _SIGNED_INFO]
    # The only one of the document, so nobody can mean another.
    if len(within) != 1 or within[0].depth != 2 or not signature.holds(within[0]):  # noqa: PLR2004 - directly in the signature
        raise _malformed(f"{len(within)} elements SignedInfo, agreed one, in the signature")
    return signature, within[0]


def _value_and_key(signature: Element) -> tuple[bytes, Element]:
    _, value, key_info = _exactly(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    raw = _base64(value, what="signature")
    if len(raw) != _SIGNATURE_BYTES:
        raise _malformed(f"a signature of {len(raw)} bytes, agreed {_SIGNATURE_BYTES}")
    return raw, key_info


def _certificates(key_info: Element) -> tuple[x509.Certificate, ...]:
    (data,) = _exactly(key_info, "X509Data")
    items = _exactly(data, *("X509Certificate" for _ in data))
    if len(items) > MAX_CHAIN:
        raise _malformed(f"{len(items)} certificates, agreed at most {MAX_CHAIN}")
    return tuple(load_certificate(_base64(item, what="certificate"), what=_WHAT) for item in items)


def _signed_digest(signed_info: Element) -> bytes:
    method, algorithm, reference = _exactly(
        signed_info, "CanonicalizationMethod", "SignatureMethod", "Reference"
    )
    _empty(method, Algorithm=_C14N)
    _empty(algorithm, Algorithm=_ECDSA)
    # URI="" is the whole document; a fragment would name the attacker's choice of it.
    transforms, digest_method, digest = _exactly(
        reference, "Transforms", "DigestMethod", "DigestValue", URI=""
    )
    enveloped, canonicalization = _exactly(transforms, "Transform", "Transform")
    _empty(enveloped, Algorithm=_ENVELOPED)
    _empty(canonicalization, Algorithm=_C14N)
    _empty(digest_method, Algorithm=_SHA384)
    return _base64(digest, what="digest")


def _read(tree: Element, *, digest: Digest, chain: tuple[x509.Certificate, ...]) -> Manifest:
    if tree.tag != f"{{{SWID}}}SoftwareIdentity":
        raise _malformed("another document than a SWID tag")
    meta = _only_child(tree, "Meta").attrib
    active: dict[int, frozenset[bytes]] = {}
    seen: set[int] = set()
    for resource in _only_child(tree, "Payload"):
        if resource.tag != _RESOURCE:
            raise _malformed("another element than a resource among the measurements")
        index, values = _resource(resource.attrib)
        if index in seen:
            raise _malformed(f"measurement {index} twice, agreed once")
        seen.add(index)
        if values:
            # The manifest counts from 0, SPDM from 1.
            active[index + 1] = values
    if not active:
        raise _malformed("no active measurement, agreed one at least; it would fit every report")
    return Manifest(
        digest=digest,
        product=_attribute(meta, "product", _VERSION),
        version=_attribute(meta, "colloquialVersion", _VERSION).lower(),
        # Remembered, so shared.
        active=MappingProxyType(active),
        chain=chain,
    )


def _only_child(tree: Element, name: str) -> Element:
    found = tree.findall(f"{{{SWID}}}{name}")
    if len(found) != 1:
        raise _malformed(f"{len(found)} elements {name}, agreed one")
    return found[0]


def _resource(attributes: _Attributes) -> tuple[int, frozenset[bytes]]:
    index, count = _small(attributes, "index"), _small(attributes, "alternatives")
    state = attributes.get("active")
    if state not in _STATES:
        raise _malformed(f"measurement {index} that is neither active nor inactive")
    texts = [attributes.get(name, "") for name in _HASH_NAMES[:count]]
    if not count or not all(texts):
        raise _malformed(f"measurement {index} without its {count} alternatives")
    found = [name for name in attributes if name.startswith(_HASHES)]
    if len(found) != count or not all(map(_HEX.fullmatch, texts)):
        raise _malformed(f"measurement {index} that is not {_HASH_BYTES} bytes in hexadecimal")
    return index, frozenset(map(bytes.fromhex, texts)) if _STATES[state] else frozenset()


def _small(attributes: _Attributes, name: str) -> int:
    text = attributes.get(name, "")
    if not _SMALL.fullmatch(text):
        raise _malformed(f"attribute {name} that is not a small number")
    return int(text)


def _attribute(attributes: _Attributes, name: str, pattern: re.Pattern[str]) -> str:
    value = attributes.get(name, "")
    if not pattern.fullmatch(value):
        raise _malformed(f"attribute {name} that is not of the form {pattern.pattern}")
    return value


def _exactly(element: Element, *names: str, **attributes: str) -> list[Element]:
    """Return the children if they are exactly these, in order, with nothing beside them."""
    children = list(element)
    if (
        [child.tag for child in children] != [f"{{{DSIG}}}{name}" for name in names]
        or (element.text or "").strip()
        or any((child.tail or "").strip() for child in children)
        or element.attrib != attributes
    ):
        name = element.tag.rpartition("}")[2]
        raise _malformed(
            f"signature element {name} of another shape, agreed the one that is accepted"
        )
    return children


def _empty(element: Element, **attributes: str) -> None:
    _exactly(element, **attributes)


def _base64(element: Element, *, what: str) -> bytes:
    if len(element) or element.attrib:
        raise _malformed(f"a {what} that is not text")
    return decode_base64("".join((element.text or "").split()), what=f"{_WHAT} {what}")


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code="nvidia.manifest")
