# SPDX-License-Identifier: Apache-2.0
"""Enrol this machine's TPM: find the digest by which a contract names its attestation key."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.endorsement import enrol
from cleanroom.attestation.platforms.tpm.transport import Transport, open_device, open_socket
from cleanroom.cli.attesting import chosen_time
from cleanroom.cli.session import Session
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited

MAX_CHAIN_BYTES = 64 * 1024


def enrol_machine(
    session: Session, *, chain: Path, roots: Sequence[str], tpm: Path, at: str
) -> None:
    """Print the digest of the attestation key, after the TPM showed that it holds the key.

    Raises:
        MalformedError: A root is not a digest, or the chain is not PEM certificates.
        IntegrityError: The endorsement certificate does not end at a root that was named.
        EvidenceRefusedError: A certificate is out of its time.
        UnavailableError: No TPM, or one without an endorsement certificate.
    """
    pins, moment = tuple(map(Digest.parse, roots)), chosen_time(at)
    above = read_limited(chain, what=chain.name, limit=MAX_CHAIN_BYTES)
    with _opened(tpm) as transport:
        chip = Tpm(transport)
        certificate = _certificate(chip.endorsement_certificate())
        with chip.attestation_key() as key, chip.endorsement_key() as endorsement:
            digest = enrol(
                attestation=key.public,
                endorsement=endorsement.public,
                chain=certificate + above,
                roots=pins,
                at=moment,
                activate=lambda credential: chip.activate(
                    key=key, endorsement=endorsement, credential=credential
                ),
                random=secrets.token_bytes,
            )
    session.emit({"key": str(digest)}, str(digest))
    session.note("This TPM holds that key: list it under `keys` of the contract's profile.")


def _opened(tpm: Path) -> AbstractContextManager[Transport]:
    return open_socket(tpm) if tpm.is_socket() else open_device(tpm)


def _certificate(der: bytes) -> bytes:
    try:
        return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    except ValueError:
        raise MalformedError(
            "TPM endorsement certificate: found no certificate, agreed one in DER",
            code="tpm.chain",
        ) from None
