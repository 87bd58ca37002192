# SPDX-License-Identifier: Apache-2.0
"""Signed HTTP requests: RFC 9421 signatures with Ed25519 and RFC 9530 content digests.

Of the freedom that the RFCs leave, one form is accepted: one signature, the same
covered components for every request, five parameters, each once. Whoever relays a
request can then change nothing of it, and there is nothing to negotiate.
"""

from __future__ import annotations

import datetime as dt
import hmac
import re
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64

TAG = "cleanroom-broker"
LABEL = "cleanroom"
# Authority and path stop a request from being sent elsewhere, the digest from being changed.
COMPONENTS = ("@method", "@authority", "@path", "@query", "content-digest")
SIGNATURE_INPUT, SIGNATURE, CONTENT_DIGEST = "signature-input", "signature", "content-digest"
SIGNATURE_BYTES = 64
MAX_FIELD = 1024

_COVERED = " ".join(f'"{name}"' for name in COMPONENTS)
_INPUT = re.compile(rf"{LABEL}=(?P<params>\((?P<covered>[^()]*)\)(?P<terms>(?:;[^;]+)*))")
_SIGNATURE = re.compile(rf"{LABEL}=:(?P<value>[A-Za-z0-9+/=]+):")
_DIGEST = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:")
_TERMS = {
    "created": re.compile(r"[1-9][0-9]{0,10}"),
    "expires": re.compile(r"[1-9][0-9]{0,10}"),
    "nonce": re.compile(r'"[A-Za-z0-9_-]{22,64}"'),
    "keyid": re.compile(r'"sha256:[0-9a-f]{64}"'),
    "tag": re.compile(r'"[a-z0-9-]{1,32}"'),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTarget:
    """What is asked, of whom: the derived components of RFC 9421 section 2.2.

    Attributes:
        method: Upper case.
        authority: Lower-case host, and the port where it is not the scheme's own.
        path: Absolute path as sent, escapes included.
        query: Everything after the question mark, escapes included; may be empty.
    """

    method: str
    authority: str
    path: str
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTerms:
    """The parameters of a signature: RFC 9421 section 2.3.

    Attributes:
        created: When it was made, by the caller's clock.
        expires: First moment at which it no longer counts.
        nonce: Drawn for this request; 22 to 64 characters of base64url.
        key: Digest of the document that says whose key signed.
    """

    created: dt.datetime
    expires: dt.datetime
    nonce: str
    key: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedRequest:
    """The signature of a request, parsed and not yet verified.

    Attributes:
        target: What was asked, as it arrived here.
        terms: What the signature says of itself.
        params: Its parameters exactly as they were signed.
        content_digest: The digest that the request announces of its body.
        signature: 64 bytes.
    """

    target: RequestTarget
    terms: SignatureTerms
    params: str
    content_digest: str
    signature: bytes

    def verify(self, public_key: bytes) -> None:
        """Raise unless this key signed the request as it arrived.

        Raises:
            IntegrityError: Another key signed, or another request was signed.
        """
        base = _base(self.target, self.content_digest, self.params)
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(self.signature, base)
        except InvalidSignature:
            raise IntegrityError(
                "request: its signature does not match what arrived",
                code="request.signature",
                hint="ask the address in the party document; a proxy must pass host and path on",
            ) from None

    def require_body(self, body: bytes) -> None:
        """Raise unless the body is the one whose digest was signed.

        Raises:
            IntegrityError: It is not.
        """
        self.require_digest(Digest.of(body))

    def require_digest(self, digest: Digest) -> None:
        """Raise unless a body of this digest was signed.

        Raises:
            IntegrityError: Another was.
        """
        if not hmac.compare_digest(_written(digest), self.content_digest):
            raise IntegrityError(
                "request: its body is not the one that was signed", code="request.digest"
            )


def content_digest(body: bytes | Digest) -> str:
    """Write the ``Content-Digest`` of a body, or of its digest: RFC 9530 section 2, SHA-256."""
    return _written(body if isinstance(body, Digest) else Digest.of(body))


def signature_base(components: Iterable[tuple[str, str]], params: str) -> bytes:
    """Write what is signed: RFC 9421 section 2.5.

    Args:
        components: Names and canonical values, in the order that the parameters list.
        params: The inner list and its parameters, as in ``Signature-Input``.
    """
    lines = [f'"{name}": {value}\n' for name, value in components]
    return f'{"".join(lines)}"@signature-params": {params}'.encode("latin-1")


def sign_request(
    target: RequestTarget, *, digest: str, terms: SignatureTerms, key: Ed25519PrivateKey
) -> dict[str, str]:
    """Return the three header fields of a signed request.

    Args:
        target: What is asked, of whom.
        digest: The body's, as :func:`content_digest` writes it.
        terms: When, and by which key.
        key: The private key.
    """
    params = (
        f"({_COVERED});created={_seconds(terms.created)};expires={_seconds(terms.expires)}"
        f';nonce="{terms.nonce}";keyid="{terms.key}";tag="{TAG}"'
    )
    signature = encode_base64(key.sign(_base(target, digest, params)))
    return {
        CONTENT_DIGEST: digest,
        SIGNATURE_INPUT: f"{LABEL}={params}",
        SIGNATURE: f"{LABEL}=:{signature}:",
    }


def read_signature(target: RequestTarget, fields: Mapping[str, str]) -> UnverifiedRequest:
    """Read the signature of a request; verify it before believing any of it.

    Args:
        target: What was asked, as it arrived.
        fields: Header fields by lower-case name, each of which came once.

    Raises:
        RefusedError: The request is not signed.
        MalformedError: It is signed in another form.
    """
    if SIGNATURE_INPUT not in fields or SIGNATURE not in fields:
        raise RefusedError(
            "request: not signed, agreed signed by a pinned party",
            code="request.unsigned",
            hint="run the command as a party whose document the broker's owner has pinned",
        )
    params, terms = _read_input(fields[SIGNATURE_INPUT])
    found = _SIGNATURE.fullmatch(_short(fields[SIGNATURE]))
    digest = fields.get(CONTENT_DIGEST, "")
    if found is None or not _DIGEST.fullmatch(digest):
        raise _malformed("its signature or content digest")
    signature = decode_base64(found["value"], what="request: signature")
    if len(signature) != SIGNATURE_BYTES:
        raise _malformed("its signature")
    return UnverifiedRequest(
        target=target, terms=terms, params=params, content_digest=digest, signature=signature
    )


def _written(digest: Digest) -> str:
    return f"sha-256=:{encode_base64(digest.raw)}:"


def _read_input(field: str) -> tuple[str, SignatureTerms]:
    found = _INPUT.fullmatch(_short(field))
    if found is None:
        raise _malformed("its signature input")
    # Fewer components would let a relay change what they leave out.
    if found["covered"] != _COVERED:
        raise MalformedError(
            "request: its signature covers something else than agreed",
            code="request.components",
            hint=f"sign exactly: {', '.join(COMPONENTS)}",
        )
    terms = _read_terms(found["terms"])
    return found["params"], SignatureTerms(
        created=_moment(terms["created"]),
        expires=_moment(terms["expires"]),
        nonce=terms["nonce"].strip('"'),
        key=Digest.parse(terms["keyid"].strip('"'), what="request key"),
    )


def _read_terms(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(";")[1:]]
    terms = {name: value for name, _, value in pairs}
    if len(terms) != len(pairs) or set(terms) != set(_TERMS):
        raise _malformed("the parameters of its signature")
    if not all(_TERMS[name].fullmatch(value) for name, value in terms.items()):
        raise _malformed("a parameter of its signature")
    # A signature made for another service of the same key is none here.
    if terms["tag"] != f'"{TAG}"':
        raise MalformedError(f"request: signed for another purpose than {TAG}", code="request.tag")
    return terms


def _base(target: RequestTarget, digest: str, params: str) -> bytes:
    values = (target.method, target.authority, target.path, f"?{target.query}", digest)
    return signature_base(zip(COMPONENTS, values, strict=True), params)


def _seconds(moment: dt.datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: str) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC)


def _short(field: str) -> str:
    if len(field) > MAX_FIELD:
        raise _malformed("a header field")
    return field


def _malformed(subject: str) -> MalformedError:
    return MalformedError(
        f"request: {subject} is not of the agreed form",
        code="request.form",
        hint="docs/protocol/request-signature.md has the form",
    )
