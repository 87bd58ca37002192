# SPDX-License-Identifier: Apache-2.0
"""Bytes of a quote to fields: ``TPMS_ATTEST``, ``TPMT_SIGNATURE``, ``PCR`` selections.

Strict and bounded: what the specification allows and nobody needs is refused,
because two readers could read it in two ways.
"""

from __future__ import annotations

from cleanroom.attestation.platforms.tpm.algorithms import (
    Hash,
    Scheme,
    hash_of,
    scheme_of,
)
from cleanroom.attestation.platforms.tpm.wire import Reader
from cleanroom.kernel.record import dataclass

MAGIC = 0xFF544347  # TPM_GENERATED_VALUE: a TPM signs this for its own structures only
QUOTE_TAG = 0x8018  # TPM_ST_ATTEST_QUOTE
PCR_COUNT = 24  # PC Client platform profile, section 4.6

_MAX_NAME_BYTES = 66  # TPMU_NAME: algorithm and the longest digest
_MAX_QUALIFYING_BYTES = 66  # TPM2B_DATA: at most a TPMT_HA
_MAX_DIGEST_BYTES = 64
_MAX_SELECT_BYTES = 4
_MAX_SELECTIONS = 16
_MAX_RSA_BYTES = 512
_MAX_ECC_BYTES = 66


@dataclass(frozen=True, slots=True, kw_only=True)
class PcrSelection:
    """Which registers of which bank.

    Attributes:
        bank: Hash algorithm of the bank.
        pcrs: Register numbers.
    """

    bank: Hash
    pcrs: frozenset[int]

    def __str__(self) -> str:
        """Write the selection as ``sha256:0,4,14``."""
        return f"{self.bank.name.lower()}:{','.join(map(str, sorted(self.pcrs)))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A ``TPMS_ATTEST`` of kind quote (part 2, section 10.12.8); unverified.

    Attributes:
        raw: The exact bytes that the signature covers.
        qualified_signer: Name of the signing key and its parents.
        extra_data: What the caller asked to have signed; ours is the binding.
        clock: Milliseconds that the TPM was powered.
        reset_count: Times the TPM was reset; a reboot counts.
        restart_count: Times it was resumed since.
        safe: Whether ``clock`` never went back.
        firmware_version: As the maker writes it.
        selections: Registers quoted, in the order of the digest.
        pcr_digest: Digest over the values of those registers.
    """

    raw: bytes
    qualified_signer: bytes
    extra_data: bytes
    clock: int
    reset_count: int
    restart_count: int
    safe: bool
    firmware_version: int
    selections: tuple[PcrSelection, ...]
    pcr_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A ``TPMT_SIGNATURE`` (part 2, section 11.3.4); unverified.

    Attributes:
        scheme: How it was made.
        hash: Over which digest.
        parts: The RSA signature, or ``r`` and ``s`` of ECDSA, big-endian.
    """

    scheme: Scheme
    hash: Hash
    parts: tuple[bytes, ...]


def parse_quote(data: bytes) -> Quote:
    """Read a quote from its exact bytes.

    Raises:
        MalformedError: Truncated, trailing bytes, not made by a TPM about itself, not a
            quote, an unknown bank, or a register that no PC has.
    """
    reader = Reader(data, what="TPM quote")
    _require_magic(reader)
    signer = reader.sized(limit=_MAX_NAME_BYTES)
    extra_data = reader.sized(limit=_MAX_QUALIFYING_BYTES)
    quote = Quote(
        raw=data,
        qualified_signer=signer,
        extra_data=extra_data,
        clock=reader.number(8),
        reset_count=reader.number(4),
        restart_count=reader.number(4),
        safe=_yes_no(reader),
        firmware_version=reader.number(8),
        selections=_selections(reader),
        pcr_digest=reader.sized(limit=_MAX_DIGEST_BYTES),
    )
    reader.end()
    return quote


def parse_signature(data: bytes) -> Signature:
    """Read a signature from its exact bytes.

    Raises:
        MalformedError: Truncated, trailing bytes, or an algorithm that does not count.
    """
    reader = Reader(data, what="TPM signature")
    scheme = scheme_of(reader.number(2), what="TPM signature")
    algorithm = hash_of(reader.number(2), what="TPM signature")
    # r and s, or the one number of RSA.
    sizes = (_MAX_ECC_BYTES,) * 2 if scheme is Scheme.ECDSA else (_MAX_RSA_BYTES,)
    parts = tuple(reader.sized(limit=size) for size in sizes)
    reader.end()
    return Signature(scheme=scheme, hash=algorithm, parts=parts)


def rsassa_sha256(raw: bytes) -> Signature:
    """Wrap a bare RSASSA signature over SHA-256, as Azure's evidence carries it."""
    return Signature(scheme=Scheme.RSASSA, hash=Hash.SHA256, parts=(raw,))


def _require_magic(reader: Reader) -> None:
    magic = reader.number(4)
    # A restricted key refuses to sign foreign data that begin with this number, so
    # with it, and only with it, the rest was written by the TPM.
    if magic != MAGIC:
        raise reader.malformed(f"magic {magic:#010x} against {MAGIC:#010x}", "magic")
    tag = reader.number(2)
    # A TPM signs certifications and time stamps with the same key; their bytes
    # could be read as registers.
    if tag != QUOTE_TAG:
        raise reader.malformed(f"attestation type {tag:#06x} against {QUOTE_TAG:#06x}", "type")


def _yes_no(reader: Reader) -> bool:
    value = reader.number(1)
    if value > 1:
        raise reader.malformed(f"a yes or no of {value} against 0 or 1", "boolean")
    return bool(value)


def _selections(reader: Reader) -> tuple[PcrSelection, ...]:
    count = reader.number(4)
    if count > _MAX_SELECTIONS:
        raise reader.malformed(f"{count} selections against at most {_MAX_SELECTIONS}", "oversize")
    return tuple(_selection(reader) for _ in range(count))


def _selection(reader: Reader) -> PcrSelection:
    bank = hash_of(reader.number(2), what="TPM quote bank")
    bitmap = int.from_bytes(reader.sized(width=1, limit=_MAX_SELECT_BYTES), "little")
    if bitmap >> PCR_COUNT:
        raise reader.malformed(f"a register over {PCR_COUNT - 1} selected", "register")
    return PcrSelection(
        bank=bank, pcrs=frozenset(index for index in range(PCR_COUNT) if bitmap >> index & 1)
    )
