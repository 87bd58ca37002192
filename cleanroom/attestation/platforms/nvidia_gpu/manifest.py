# SPDX-License-Identifier: Apache-2.0
"""Reference manifests (RIM): which measurements NVIDIA published for one version.

A SWID tag (ISO/IEC 19770-2) with an enveloped XML signature. XML signatures have let
forgers in wherever a reader looked at another element than the verifier. Here the
signature must be of one exact shape, and everything is read from the verified octets.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.certificates import (
    MAX_CHAIN,
    fingerprint,
    load_certificate,
    verify_chain,
)
from cleanroom.attestation.platforms.nvidia_gpu.xml_canonical import (
    Element,
    canonical,
    parse_xml,
)
from cleanroom.attestation.signers import elliptic_key, require_ecdsa, require_signer
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.strict_base64 import decode_base64

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


def verify_manifest(
    document: bytes,
    *,
    root: Digest,
    at: dt.datetime,
    proven: tuple[x509.Certificate, ...] = (),
) -> Manifest:
    """Return what a manifest says, if its maker signed exactly that.

    Args:
        document: The XML as published.
        root: Pin of the manifest root.
        at: The time to judge certificates by.
        proven: Authorities above a signer that were verified to the same root at the same
            time; NVIDIA signs both manifests of a device below the same ones.

    Raises:
        MalformedError: 1. Not XML of the accepted subset. 2. A signature of another shape.
        IntegrityError: 3. Another root. 4. or 5. A signature or a digest that does not match.
        EvidenceRefusedError: 3. A certificate out of its time.
    """
    # 1. No document type, entity or comment: nothing that two readers see differently.
    tree = parse_xml(document)
    # 2. One signature, in one place, over everything else, with one algorithm: the
    # attacker of an XML signature chooses what is covered (signature wrapping).
    signature = _signature_of(tree)
    signed_info, value, key_info = _parts(signature)
    # 3. Who signed? The certificates in the document are data.
    chain = _certificates(key_info)
    if proven and chain[1:] == proven:
        verify_chain(chain[:2], pin=fingerprint(proven[0]), at=at, what=_WHAT)
    else:
        verify_chain(chain, pin=root, at=at, what=_WHAT)
    require_signer(chain, what=_WHAT)
    # 4. Signed are the canonical octets, and only they are read from here on.
    octets = canonical(signed_info)
    key = elliptic_key(chain[0], curve=ec.SECP384R1, what=_WHAT)
    require_ecdsa(key, signature=value, signed=octets, algorithm=hashes.SHA384(), what=_WHAT)
    expected = _signed_digest(parse_xml(octets))
    # 5. The digest covers the document without its signature, canonical too.
    content = canonical(tree, without=signature)
    if not hmac.compare_digest(hashlib.sha384(content).digest(), expected):
        raise IntegrityError(
            f"{_WHAT}: the document is not the signed one", code="nvidia.manifest-digest"
        )
    return _read(parse_xml(content), digest=Digest.of(document), chain=chain)


def _signature_of(tree: Element) -> Element:
    found = [item for item in tree.walk() if item.name == (DSIG, "Signature")]
    if len(found) != 1 or not any(child is found[0] for child in tree.children):
        raise _malformed(f"{len(found)} signatures, agreed one, directly in the document")
    return found[0]


def _parts(signature: Element) -> tuple[Element, bytes, Element]:
    signed_info, value, key_info = _exactly(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    raw = _base64(value, what="signature")
    if len(raw) != _SIGNATURE_BYTES:
        raise _malformed(f"a signature of {len(raw)} bytes, agreed {_SIGNATURE_BYTES}")
    return signed_info, raw, key_info


def _certificates(key_info: Element) -> tuple[x509.Certificate, ...]:
    (data,) = _exactly(key_info, "X509Data")
    items = data.elements()
    _exactly(data, *("X509Certificate" for _ in items))
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
    if tree.name != (SWID, "SoftwareIdentity"):
        raise _malformed("another document than a SWID tag")
    meta = _only_child(tree, "Meta")
    active: dict[int, frozenset[bytes]] = {}
    seen: set[int] = set()
    for resource in _only_child(tree, "Payload").elements():
        index, values = _resource(resource)
        if index in seen:
            raise _malformed(f"measurement {index} twice")
        seen.add(index)
        if values:
            # The manifest counts from 0, SPDM from 1.
            active[index + 1] = values
    if not active:
        raise _malformed("no active measurement; it would agree with every report")
    return Manifest(
        digest=digest,
        product=_attribute(meta, "product", _VERSION),
        version=_attribute(meta, "colloquialVersion", _VERSION).lower(),
        active=active,
        chain=chain,
    )


def _only_child(tree: Element, name: str) -> Element:
    found = [item for item in tree.elements() if item.name == (SWID, name)]
    if len(found) != 1:
        raise _malformed(f"{len(found)} elements {name}, agreed one")
    return found[0]


def _resource(resource: Element) -> tuple[int, frozenset[bytes]]:
    if resource.name != (SWID, "Resource"):
        raise _malformed("another element than a resource among the measurements")
    attributes = resource.attributes
    index, count = (_small(attributes, name) for name in ("index", "alternatives"))
    state = attributes.get(("", "active"))
    if state not in _STATES:
        raise _malformed(f"measurement {index} that is neither active nor inactive")
    texts = [text for (namespace, _), text in attributes.items() if namespace == HASH]
    if not count or any((HASH, f"Hash{number}") not in attributes for number in range(count)):
        raise _malformed(f"measurement {index} without its {count} alternatives")
    if len(texts) != count or not all(_HEX.fullmatch(text) for text in texts):
        raise _malformed(f"measurement {index} that is not {_HASH_BYTES} bytes in hexadecimal")
    return index, frozenset(map(bytes.fromhex, texts)) if _STATES[state] else frozenset()


def _small(attributes: Mapping[tuple[str, str], str], name: str) -> int:
    text = attributes.get(("", name), "")
    if not _SMALL.fullmatch(text):
        raise _malformed(f"attribute {name} that is not a small number")
    return int(text)


def _attribute(element: Element, name: str, pattern: re.Pattern[str]) -> str:
    value = element.attributes.get(("", name), "")
    if not pattern.fullmatch(value):
        raise _malformed(f"attribute {name} that is not of the form {pattern.pattern}")
    return value


def _exactly(element: Element, *names: str, **attributes: str) -> list[Element]:
    """Return the children if they are exactly these, in order, with nothing beside them."""
    children = element.elements()
    found = tuple(child.name for child in children)
    if (
        found != tuple((DSIG, name) for name in names)
        or element.text().strip()
        or element.attributes != {("", name): text for name, text in attributes.items()}
    ):
        raise _malformed(f"signature element {element.tag} of another shape")
    return children


def _empty(element: Element, **attributes: str) -> None:
    _exactly(element, **attributes)


def _base64(element: Element, *, what: str) -> bytes:
    if element.elements() or element.attributes:
        raise _malformed(f"a {what} that is not text")
    return decode_base64("".join(element.text().split()), what=f"{_WHAT} {what}")


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code="nvidia.manifest")
