# SPDX-License-Identifier: Apache-2.0
"""Documents with detached signatures: did this party sign exactly these bytes, as this kind?"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.envelope.sshsig import verify_signed_by
from cleanroom.errors import RefusedError
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """Exact bytes, and what lies beside them as signatures.

    Attributes:
        data: The exact bytes.
        signatures: Party name to armored SSHSIG; nothing in it is verified yet.
    """

    data: bytes
    signatures: Mapping[str, bytes]


def signature_namespace(kind: str) -> str:
    """Return the namespace in which documents of a kind are signed."""
    return f"cleanroom.{kind}.v0"


def verify_file(file: SignedFile, *, kind: str, signer: PartyDocument, what: str) -> SSHPublicKey:
    """Return the party's key that signed exactly these bytes as this kind of document.

    Args:
        file: The bytes and their unverified signatures.
        kind: For example ``contract``; part of the signed namespace.
        signer: The party's document, from a trusted source.
        what: Subject of error messages.

    Raises:
        RefusedError: The party has not signed, or a token signed without being touched.
        MalformedError: Its signature is not one.
        IntegrityError: The signature is by another key, for another kind, or over
            other bytes.
    """
    subject = f"{what}: signature of {signer.name}"
    armored = file.signatures.get(signer.name)
    if armored is None:
        raise RefusedError(
            f"{subject}: missing",
            code="signature.missing",
            hint=f"ask {signer.name} to sign it",
        )
    return verify_signed_by(
        armored,
        file.data,
        namespace=signature_namespace(kind),
        keys=signer.signing_keys,
        what=subject,
    )
