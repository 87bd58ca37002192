# SPDX-License-Identifier: Apache-2.0
"""Judge a runner's evidence by a profile, and hand the verdict on in the form others read."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.ear_token import sign_ear
from cleanroom.attestation.evidence import parse_evidence
from cleanroom.attestation.result import AttestationResult, DeviceResult
from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.cli.attest_profiles import read_profile_file
from cleanroom.cli.attesting import chosen_time
from cleanroom.cli.session import Session
from cleanroom.errors import MalformedError
from cleanroom.identity.private_files import read_private_file
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES
from cleanroom.receipt.parse import parse_receipt

MAX_PEM_BYTES = 4 * 1024


def appraise_receipt(
    session: Session, file: Path, *, profile: Path, at: str, key: Path | None
) -> None:
    """Print what a profile makes of the evidence in a receipt; with a key, as a signed token.

    The receipt itself is not verified: whether it is that of an agreed run is what
    ``cleanroom verify`` answers.

    Raises:
        MalformedError: A file is not of its format, or the key is not an Ed25519 key.
        IntegrityError: The evidence leads to no pinned root, or is bound to something else.
        EvidenceRefusedError: It is genuine and the profile does not accept it.
        RefusedError: Others can read the key.
        UnavailableError: A file cannot be read.
    """
    # First: a key that cannot sign is said before anything is printed.
    signer = None if key is None else _read_key(key)
    body = parse_receipt(read_limited(file, what=file.name, limit=MAX_RECEIPT_BYTES)).body
    terms, moment = read_profile_file(profile), chosen_time(at)
    runtime = parse_runtime_data(body.runtime_data)
    evidence = verify_evidence(
        parse_evidence(body.evidence),
        binding=bind64(runtime.raw),
        at=moment,
        trust=trust_for(terms),
    )
    result = appraise(evidence, profile=terms, runtime=runtime, at=moment)
    if result.banner:
        session.note(result.banner)
    if signer is None:
        session.emit({"ear": result.to_ear()}, "\n".join(_lines(result)))
        return
    token = sign_ear(result, signer)
    session.emit({"ear": result.to_ear(), "token": token}, token)


def _lines(result: AttestationResult) -> list[str]:
    lines = [
        f"{result.status.value}: {result.platform}, measurement {result.measurement}",
        f"policy {result.policy}",
        *_vector("runner", result),
    ]
    return [*lines, *(line for device in result.devices for line in _vector(device.name, device))]


def _vector(name: str, judged: AttestationResult | DeviceResult) -> list[str]:
    return [f"  {name}: {claim} {trust.value}" for claim, trust in judged.vector.items()]


def _read_key(path: Path) -> Ed25519PrivateKey:
    data = read_private_file(path, limit=MAX_PEM_BYTES)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise MalformedError(
            f"{path.name}: found no key, agreed an Ed25519 private key as PEM without passphrase",
            code="attestation.token-key",
            hint=f"openssl genpkey -algorithm ed25519 -out {click.format_filename(path)}",
        )
    return key
