# SPDX-License-Identifier: Apache-2.0
"""SSHSIG: signatures over documents that people sign.

The bytes are those of ``ssh-keygen -Y sign``, so anybody can check a signature
without this program. Of the freedom that the format leaves, nothing is accepted:
version 1, SHA-512, no reserved bytes, one spelling of the armor. A signature is
bound to a namespace, so one made for an approval is none for a contract.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.identity.ssh_key import Signer, SSHPublicKey
from cleanroom.identity.wire import WireReader, wire_string
from cleanroom.kernel.limits import MAX_SSHSIG_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64

_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"
_COLUMNS = 70
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
# Some kilobytes each at most: a few megabytes however many are sent.
_REMEMBERED = 512
_NAMESPACE = re.compile(r"[a-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnverifiedSignature:
    public_key: SSHPublicKey
    namespace: bytes
    signature: bytes


def sign(message: bytes, *, namespace: str, signer: Signer) -> bytes:
    """Sign exact bytes as ``ssh-keygen -Y sign`` would.

    Returns:
        The armored signature.

    Raises:
        MalformedError: The namespace is not one of ours.
        CleanroomError: Whatever stops the signer, for example a locked agent.
    """
    scope = _encode_namespace(namespace)
    signature = signer.sign(_signed_bytes(message, scope))
    blob = (
        _MAGIC
        + _VERSION.to_bytes(4, "big")
        + b"".join(
            wire_string(part) for part in (signer.public_key.blob, scope, b"", _HASH, signature)
        )
    )
    return _armor(blob)


def verify(armored: bytes, message: bytes, *, namespace: str, what: str) -> SSHPublicKey:
    """Return the key that signed exactly these bytes in this namespace.

    A key alone says nothing about who signed; see :func:`verify_signed_by`.

    Raises:
        MalformedError: Not a signature in the accepted form.
        IntegrityError: Made for another namespace, or over other bytes.
        RefusedError: A hardware token signed without being touched.
    """
    unverified = _parse(armored, what=what)
    return _verify(unverified, message, namespace=namespace, what=what)


def verify_signed_by(
    armored: bytes,
    message: bytes,
    *,
    namespace: str,
    keys: Collection[SSHPublicKey],
    what: str,
) -> SSHPublicKey:
    """Return the one of these keys that signed exactly these bytes.

    Raises:
        MalformedError: Not a signature in the accepted form.
        IntegrityError: Made by a key that is none of these, for another namespace,
            or over other bytes.
        RefusedError: A hardware token signed without being touched.
    """
    unverified = _parse(armored, what=what)
    # Whose key comes first: a stranger's valid signature is still a stranger's.
    if unverified.public_key not in keys:
        raise IntegrityError(
            f"{what}: signed with a key that is not one of the signer's",
            code="signature.foreign-key",
            hint="compare the key with the signer's pinned party document",
        )
    return _verify(unverified, message, namespace=namespace, what=what)


def _verify(
    unverified: _UnverifiedSignature, message: bytes, *, namespace: str, what: str
) -> SSHPublicKey:
    scope = _encode_namespace(namespace)
    if unverified.namespace != scope:
        raise IntegrityError(
            f"{what}: the signature was made for another purpose than {namespace}",
            code="signature.namespace",
            hint=f"sign with: ssh-keygen -Y sign -n {namespace}",
        )
    signed = _signed_bytes(message, scope)
    _require_signature(unverified, signed, what=what)
    return unverified.public_key


# The message is in ``signed`` by its SHA-512, the namespace as it is, the key whole.
@remembered(_REMEMBERED)
def _require_signature(unverified: _UnverifiedSignature, signed: bytes, *, what: str) -> None:
    unverified.public_key.verify(unverified.signature, signed, what=what)


@remembered(_REMEMBERED)
def _parse(armored: bytes, *, what: str) -> _UnverifiedSignature:
    reader = WireReader(_unarmor(armored, what=what), what=what)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.uint32() != _VERSION:
        raise MalformedError(f"{what}: not an SSH signature of version 1", code="sshsig.version")
    blob, namespace = reader.string(), reader.string()
    reserved, algorithm, signature = reader.string(), reader.string(), reader.string()
    reader.end()
    # Reserved bytes are signed by nobody; letting them pass would give one
    # signature many spellings.
    if reserved:
        raise MalformedError(f"{what}: found reserved bytes", code="sshsig.reserved")
    if algorithm != _HASH:
        raise MalformedError(
            f"{what}: not made with SHA-512",
            code="sshsig.hash",
            hint="sign without -O hashalg; SHA-512 is the default of ssh-keygen",
        )
    return _UnverifiedSignature(
        public_key=SSHPublicKey.from_blob(blob, what=what),
        namespace=namespace,
        signature=signature,
    )


def _signed_bytes(message: bytes, namespace: bytes) -> bytes:
    # PROTOCOL.sshsig section 2: the digest, not the message, goes to the key.
    parts = (namespace, b"", _HASH, hashlib.sha512(message).digest())
    return _MAGIC + b"".join(wire_string(part) for part in parts)


def _encode_namespace(namespace: str) -> bytes:
    if not _NAMESPACE.fullmatch(namespace):
        raise MalformedError("namespace: not of the form cleanroom.<kind>.v0", code="sshsig.scope")
    return namespace.encode("ascii")


def _armor(blob: bytes) -> bytes:
    text = encode_base64(blob)
    lines = (text[at : at + _COLUMNS] + "\n" for at in range(0, len(text), _COLUMNS))
    return f"{_BEGIN}{''.join(lines)}{_END}".encode("ascii")


def _unarmor(armored: bytes, *, what: str) -> bytes:
    if len(armored) > MAX_SSHSIG_BYTES:
        raise MalformedError(
            f"{what}: larger than {MAX_SSHSIG_BYTES} bytes", code="format.oversize"
        )
    text = armored.decode("ascii", "replace")
    body = text.removeprefix(_BEGIN).removesuffix(_END).replace("\n", "")
    blob = decode_base64(body, what=what)
    if _armor(blob) != armored:
        raise MalformedError(
            f"{what}: not armored as ssh-keygen does it",
            code="sshsig.armor",
            hint="keep the file as ssh-keygen wrote it; line ends must not be converted",
        )
    return blob
