# SPDX-License-Identifier: Apache-2.0
"""The file that keeps a party's secret seeds under a passphrase.

Argon2id makes every guess at the passphrase cost 64 MiB of memory; AES-256-GCM
covers the seeds and, as associated data, everything else in the file. The cost
stands in the file. One below ours is refused, because a file that a thief could
search quickly must not stay in use unnoticed; one beyond the limit would hang the reader.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.passphrase import require_strong
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.seeds.v0"
SEED_BYTES = 32
MAX_SEED_FILE_BYTES = 4 * KIB

# RFC 9106 section 4, second recommendation: for machines with less memory.
_MEMORY_KIB, _ITERATIONS, _LANES = 64 * KIB, 3, 4
_MAX_MEMORY_KIB, _MAX_ITERATIONS, _MAX_LANES = 1024 * KIB, 16, 16
_SALT_BYTES, _NONCE_BYTES = 16, 12
_WHAT = "seed file"


class _Derivation(WireModel):
    name: Literal["argon2id"]
    memory_kib: int
    iterations: int
    lanes: int
    salt: str


class _Cipher(WireModel):
    name: Literal["aes-256-gcm"]
    nonce: str


class _SeedFile(WireModel):
    format: Literal["cleanroom.seeds.v0"]
    kdf: _Derivation
    cipher: _Cipher
    ciphertext: str


class _Seeds(WireModel):
    receiving: str
    broker: str
    state: str


def seal_seeds(
    seeds: Mapping[str, bytes],
    passphrase: bytes,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """Encrypt the seeds under a passphrase.

    Raises:
        RefusedError: The passphrase is too short.
        MalformedError: A seed is missing, unknown, or not 32 bytes.
    """
    require_strong(passphrase, what="passphrase")
    written: dict[str, JSONValue] = {name: encode_base64(seed) for name, seed in seeds.items()}
    _read_seeds(written)
    salt, nonce = entropy(_SALT_BYTES), entropy(_NONCE_BYTES)
    header = _header(salt, nonce)
    key = _derive(passphrase, salt, (_MEMORY_KIB, _ITERATIONS, _LANES))
    ciphertext = AESGCM(key).encrypt(nonce, canonical_json(written), canonical_json(header))
    return canonical_json(header | {"ciphertext": encode_base64(ciphertext)}) + b"\n"


def open_seeds(data: bytes, passphrase: bytes) -> dict[str, bytes]:
    """Decrypt the seeds.

    Raises:
        MalformedError: Not a seed file.
        RefusedError: A key derivation cheaper than ours, or beyond the limit.
        IntegrityError: Another passphrase, or an altered file.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_SEED_FILE_BYTES)
    file = validate_shape(_SeedFile, value, what=_WHAT)
    _check_cost(file.kdf)
    salt = _sized(file.kdf.salt, _SALT_BYTES)
    nonce = _sized(file.cipher.nonce, _NONCE_BYTES)
    ciphertext = decode_base64(file.ciphertext, what=_WHAT)
    header = {name: part for name, part in value.items() if name != "ciphertext"}
    costs = (file.kdf.memory_kib, file.kdf.iterations, file.kdf.lanes)
    cipher = AESGCM(_derive(passphrase, salt, costs))
    try:
        plaintext = cipher.decrypt(nonce, ciphertext, canonical_json(header))
    except InvalidTag:
        raise IntegrityError(
            f"{_WHAT}: wrong passphrase, or the file was altered",
            code="identity.passphrase",
            hint="type it again, or name the file that holds it: --passphrase-file FILE",
        ) from None
    return _read_seeds(parse_json(plaintext, what=_WHAT, limit=MAX_SEED_FILE_BYTES))


def _header(salt: bytes, nonce: bytes) -> dict[str, JSONValue]:
    return {
        "format": FORMAT,
        "kdf": {
            "name": "argon2id",
            "memory_kib": _MEMORY_KIB,
            "iterations": _ITERATIONS,
            "lanes": _LANES,
            "salt": encode_base64(salt),
        },
        "cipher": {"name": "aes-256-gcm", "nonce": encode_base64(nonce)},
    }


def _derive(passphrase: bytes, salt: bytes, costs: tuple[int, int, int]) -> bytes:
    memory, iterations, lanes = costs
    return Argon2id(
        salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory
    ).derive(passphrase)


def _check_cost(kdf: _Derivation) -> None:
    found = (kdf.memory_kib, kdf.iterations, kdf.lanes)
    least = (_MEMORY_KIB, _ITERATIONS, _LANES)
    most = (_MAX_MEMORY_KIB, _MAX_ITERATIONS, _MAX_LANES)
    if any(not low <= cost <= high for low, cost, high in zip(least, found, most, strict=True)):
        raise RefusedError(
            f"{_WHAT}: its key derivation is cheaper or dearer than accepted",
            code="identity.cost",
        )


def _read_seeds(value: object) -> dict[str, bytes]:
    texts = validate_shape(_Seeds, value, what=_WHAT).model_dump()
    return {name: _sized(text, SEED_BYTES) for name, text in texts.items()}


def _sized(text: str, length: int) -> bytes:
    data = decode_base64(text, what=_WHAT)
    if len(data) != length:
        raise MalformedError(f"{_WHAT}: a field of another length", code="key.length")
    return data
