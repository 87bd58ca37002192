# SPDX-License-Identifier: Apache-2.0
"""Sign a document as a party and put it into a room, whole."""

from __future__ import annotations

from dataclasses import field

from cleanroom.contract.layout import RoomDirectory
from cleanroom.envelope.signed_file import SignedFile, signature_namespace
from cleanroom.envelope.sshsig import sign
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.ssh_key import Signer
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningParty:
    """A party, and the key that signs for it.

    Attributes:
        document: The party's own document.
        signer: One of its signing keys.
    """

    document: PartyDocument
    signer: Signer = field(repr=False)

    @property
    def name(self) -> str:
        """The party's name."""
        return self.document.name


def sign_document(data: bytes, *, kind: str, party: SigningParty) -> SignedFile:
    """Sign exact bytes as one kind of document."""
    signature = sign(data, namespace=signature_namespace(kind), signer=party.signer)
    return SignedFile(data=data, signatures={party.name: signature})


def publish_signed(
    room: RoomDirectory, relative: str, data: bytes, *, kind: str, party: SigningParty
) -> SignedFile:
    """Sign exact bytes and write them and the signature into a room.

    Signatures of the same bytes by other parties stay; a document that is
    replaced is archived with its own signatures.
    """
    signed = sign_document(data, kind=kind, party=party)
    room.publish(relative, signed.data, signed.signatures)
    return signed
