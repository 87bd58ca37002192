# SPDX-License-Identifier: Apache-2.0
"""Does an attestation key live in the TPM that an endorsement key stands for?

A maker certifies the endorsement key, which cannot sign. So a challenger seals a
secret to it, with the attestation key's name inside (part 1, section 24): only a
TPM that holds both opens it. The name covers the attributes, so a key that could
forge quotes cannot borrow the name of one that could not.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import Credential
from cleanroom.attestation.platforms.tpm.public import Attributes, PublicArea
from cleanroom.attestation.platforms.tpm.wire import sized
from cleanroom.errors import EvidenceRefusedError

SECRET_BYTES = 32
_ENDORSEMENT_BITS = 128
_OWN = Attributes.FIXED_TPM | Attributes.FIXED_PARENT | Attributes.SENSITIVE_DATA_ORIGIN
_ROLES = Attributes.RESTRICTED | Attributes.DECRYPT | Attributes.SIGN


def make_credential(
    secret: bytes, *, endorsement: PublicArea, name: bytes, seed: bytes
) -> Credential:
    """Seal a secret so that only the TPM with both keys opens it.

    Args:
        secret: What the answer must be; 32 fresh random bytes.
        endorsement: Public area of the endorsement key, certified by somebody trusted.
        name: Name of the attestation key, from its public area.
        seed: 32 fresh random bytes.

    Raises:
        EvidenceRefusedError: The endorsement key is not of the kind that makers certify.
    """
    key = _require_endorsement_key(endorsement)
    encrypted_seed = key.encrypt(
        seed,
        padding.OAEP(
            mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=b"IDENTITY\0"
        ),
    )
    cipher = Cipher(
        algorithms.AES(_derive(seed, "STORAGE", name, bits=_ENDORSEMENT_BITS)), CFB(bytes(16))
    ).encryptor()
    encrypted = cipher.update(sized(secret)) + cipher.finalize()
    # The integrity covers the name: no TPM opens the secret for another key.
    integrity = hmac.digest(
        _derive(seed, "INTEGRITY", b"", bits=256), encrypted + name, hashlib.sha256
    )
    return Credential(blob=sized(integrity) + encrypted, secret=encrypted_seed)


def _require_endorsement_key(public: PublicArea) -> rsa.RSAPublicKey:
    key = public.key
    usual = (
        public.name_hash is Hash.SHA256
        and public.symmetric == _ENDORSEMENT_BITS
        and public.attributes & _OWN == _OWN
        # One that decrypts for anybody would open the secret outside ActivateCredential.
        and public.attributes & _ROLES == Attributes.RESTRICTED | Attributes.DECRYPT
    )
    if not isinstance(key, rsa.RSAPublicKey) or not usual:
        raise EvidenceRefusedError(
            "TPM endorsement key: not a restricted RSA decryption key, agreed the makers' template",
            code="tpm.endorsement-key",
            hint="use the RSA endorsement key of the TCG profile, template L-1",
        )
    return key


def _derive(seed: bytes, label: str, context: bytes, *, bits: int) -> bytes:
    # KDFa (part 1, section 11.4.10.2): SP 800-108 in counter mode with HMAC.
    return KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=bits // 8,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label.encode(),
        context=context,
        fixed=None,
    ).derive(seed)
