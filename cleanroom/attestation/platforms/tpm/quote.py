# SPDX-License-Identifier: Apache-2.0
"""Is this quote genuine, and over exactly these registers? One numbered list.

Pure, and shared by every platform that has a TPM in front of it: a plain one, a
software one, and the paravisor's behind an Azure confidential VM. What the
values of the registers mean is not asked here.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.parse import (
    PcrSelection,
    Quote,
    Signature,
    parse_quote,
)
from cleanroom.attestation.platforms.tpm.public import QuoteKey
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass

HASHES: Mapping[Hash, hashes.HashAlgorithm] = {
    Hash.SHA256: hashes.SHA256(),
    Hash.SHA384: hashes.SHA384(),
    Hash.SHA512: hashes.SHA512(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedRegisters:
    """What a genuine quote vouches for.

    Attributes:
        selection: Exactly the registers that were asked for.
        values: Their values.
        quote: The rest of what the TPM said.
    """

    selection: PcrSelection
    values: Mapping[int, bytes]
    quote: Quote


def verify_quote(
    message: bytes,
    *,
    signature: Signature,
    key: QuoteKey,
    qualifying_data: bytes,
    selection: PcrSelection,
    values: Mapping[int, bytes],
) -> QuotedRegisters:
    """Return the registers that a quote vouches for.

    Args:
        message: The ``TPMS_ATTEST``, exactly as signed.
        signature: What the TPM signed it with.
        key: A key that the caller has reason to believe: restricted to quotes
            (:func:`~.public.require_quote_key`) and endorsed by somebody trusted.
        qualifying_data: All bytes that the quote must have been asked for.
        selection: Exactly the bank and registers that must be quoted.
        values: Register to its value, as the attester says.

    Raises:
        MalformedError: As :func:`verify_unbound_quote`, or 6. nothing to bind it to.
        EvidenceRefusedError: As there, or 6. it was made for something else.
        IntegrityError: As there.
    """
    registers = verify_unbound_quote(
        message, signature=signature, key=key, selection=selection, values=values
    )
    # 6. All bytes of it: comparing a prefix lets another run's quote pass (T-05).
    _require_qualifying_data(qualifying_data, registers.quote)
    return registers


def verify_unbound_quote(
    message: bytes,
    *,
    signature: Signature,
    key: QuoteKey,
    selection: PcrSelection,
    values: Mapping[int, bytes],
) -> QuotedRegisters:
    """Return the registers that a genuine quote vouches for, whenever it was made.

    For a platform's verifier alone: what the quote was made for is compared for every
    platform in one place, :mod:`cleanroom.attestation.verifier`.

    Raises:
        MalformedError: 1. Not a quote, 4. no registers expected, or 5. values that do not
            belong to the selection.
        EvidenceRefusedError: 2. Another scheme than the key's; 4. over other registers.
        IntegrityError: 3. The signature or 5. the digest of the registers does not match.
    """
    # 1. Magic and type first: a TPM signs other things, and its owner may sign
    # anything that does not begin with the magic.
    quote = parse_quote(message)
    # 2. The key says how it signs. A signature may not talk us into a weaker way.
    _require_scheme(signature, key)
    # 3. Over the received bytes, never over fields written again.
    _require_signature(message, signature=signature, key=key)
    # 4. Exactly the registers asked for. Registers 16 and 23 can be reset by anybody,
    # so a quote over them shows any history one likes; an attester that may choose the
    # selection shows those and calls them 14.
    _require_selection(selection, quote)
    # 5. The values are the attester's word until their digest matches.
    _require_values(quote, selection=selection, values=values, key=key)
    return QuotedRegisters(selection=selection, values=dict(values), quote=quote)


def _require_scheme(signature: Signature, key: QuoteKey) -> None:
    if (signature.scheme, signature.hash) != (key.scheme, key.hash):
        raise EvidenceRefusedError(
            f"TPM signature: found {signature.scheme.name} with {signature.hash.name},"
            f" agreed {key.scheme.name} with {key.hash.name}",
            code="tpm.signature-scheme",
        )


def _require_signature(message: bytes, *, signature: Signature, key: QuoteKey) -> None:
    try:
        _check_signature(message, signature=signature, key=key)
    except InvalidSignature:
        raise IntegrityError(
            "TPM quote: the signature does not match",
            code="tpm.signature",
            hint="the quote, the signature and the attestation key belong together",
        ) from None


def _check_signature(message: bytes, *, signature: Signature, key: QuoteKey) -> None:
    algorithm = HASHES[key.hash]
    public = key.key
    if isinstance(public, rsa.RSAPublicKey) and signature.scheme is Scheme.RSASSA:
        public.verify(signature.parts[0], message, padding.PKCS1v15(), algorithm)
    elif isinstance(public, rsa.RSAPublicKey) and signature.scheme is Scheme.RSAPSS:
        # A TPM salts with as many bytes as the key allows, or with those of the hash
        # (part 1, annex B.7); both are the same scheme.
        pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.AUTO)
        public.verify(signature.parts[0], message, pss, algorithm)
    elif isinstance(public, ec.EllipticCurvePublicKey) and signature.scheme is Scheme.ECDSA:
        r, s = (int.from_bytes(part, "big") for part in signature.parts)
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(algorithm))
    else:
        raise InvalidSignature


def _require_qualifying_data(expected: bytes, quote: Quote) -> None:
    # An empty expectation would be met by every quote that nobody asked for.
    if not expected:
        raise MalformedError("TPM quote: expected qualifying data are empty", code="tpm.qualifying")
    if not hmac.compare_digest(expected, quote.extra_data):
        raise EvidenceRefusedError(
            f"TPM quote: made for {quote.extra_data.hex() or 'nothing'}, agreed {expected.hex()}",
            code="attestation.binding",
            hint="a quote serves one run only; let the runner attest again",
        )


def _require_selection(expected: PcrSelection, quote: Quote) -> None:
    if not expected.pcrs:
        raise MalformedError("TPM registers: none expected", code="tpm.values")
    if quote.selections != (expected,):
        found = " + ".join(map(str, quote.selections)) or "none"
        raise EvidenceRefusedError(
            f"TPM registers: found {found}, agreed {expected}",
            code="tpm.selection",
            hint="the quote must be over exactly the registers that the policy names",
        )


def _require_values(
    quote: Quote, *, selection: PcrSelection, values: Mapping[int, bytes], key: QuoteKey
) -> None:
    if values.keys() != selection.pcrs or any(
        len(value) != selection.bank.size for value in values.values()
    ):
        raise MalformedError(
            f"TPM registers: values do not belong to {selection}", code="tpm.values"
        )
    # The digest is made with the hash of the signature, whatever the bank
    # (part 3, section 18.4), over the values in ascending order.
    found = key.hash.digest(b"".join(values[index] for index in sorted(values)))
    if not hmac.compare_digest(found, quote.pcr_digest):
        raise IntegrityError(
            f"TPM registers: the values give {found.hex()},"
            f" agreed the quoted {quote.pcr_digest.hex()}",
            code="tpm.pcr-digest",
        )
