# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.parse import PcrSelection, parse_signature
from cleanroom.attestation.platforms.tpm.public import parse_public, require_quote_key
from cleanroom.attestation.platforms.tpm.quote import verify_quote
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.tpm_forge import (
    AK,
    RSA_AK,
    ForgedKey,
    ForgedQuote,
    ecc_private,
    rsa_private,
    selection,
)

QUOTE = ForgedQuote()
SELECTION = PcrSelection(bank=Hash.SHA256, pcrs=frozenset({4, 14}))
P384_AK = ForgedKey(private=ecc_private(8, ec.SECP384R1()), hash=Hash.SHA384)
PSS_AK = ForgedKey(private=rsa_private(), scheme=Scheme.RSAPSS, hash=Hash.SHA512)


def quote_key(forged):
    return require_quote_key(parse_public(forged.public))


def verify(quote=QUOTE, *, signer=AK, key=None, **changes):
    message = quote.encode() if isinstance(quote, ForgedQuote) else quote
    arguments = {
        "signature": parse_signature(signer.sign(message)),
        "key": key or quote_key(signer),
        "qualifying_data": QUOTE.extra_data,
        "selection": SELECTION,
        "values": QUOTE.values,
    }
    return verify_quote(message, **(arguments | changes))


def test_a_genuine_quote_vouches_for_exactly_the_registers_asked_for():
    registers = verify()
    assert registers.selection == SELECTION
    assert registers.values == QUOTE.values
    assert registers.quote.reset_count == 3


@pytest.mark.parametrize("signer", [AK, RSA_AK, P384_AK, PSS_AK])
def test_every_scheme_verifies_and_breaks_with_any_bit(signer):
    quote = QUOTE.but(hash=signer.hash)
    assert verify(quote, signer=signer).values == QUOTE.values
    good = parse_signature(signer.sign(quote.encode()))
    for part in range(len(good.parts)):
        broken = bytearray(good.parts[part])
        broken[-1] ^= 1
        parts = (*good.parts[:part], bytes(broken), *good.parts[part + 1 :])
        with pytest.raises(IntegrityError) as caught:
            verify(quote, signer=signer, signature=replace(good, parts=parts))
        assert caught.value.code == "tpm.signature"


def test_every_changed_byte_of_a_quote_is_refused():
    message = QUOTE.encode()
    signature = parse_signature(AK.sign(message))
    for at in range(len(message)):
        changed = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        with pytest.raises((IntegrityError, MalformedError)):
            verify(changed, signature=signature)


@pytest.mark.parametrize(
    ("signer", "key"), [(ForgedKey(private=ecc_private(9)), AK), (AK, P384_AK)]
)
def test_a_quote_signed_with_another_key_is_refused(signer, key):
    if signer.hash is key.hash:
        with pytest.raises(IntegrityError, match="^TPM quote: the signature does not match"):
            verify(signer=signer, key=quote_key(key))
    else:
        with pytest.raises(EvidenceRefusedError, match="^TPM signature: found ECDSA with SHA256"):
            verify(signer=signer, key=quote_key(key))


def test_a_signature_does_not_choose_its_scheme():
    signer = ForgedKey(private=rsa_private(), scheme=Scheme.RSAPSS)
    with pytest.raises(EvidenceRefusedError) as caught:
        verify(signer=signer, key=quote_key(RSA_AK))
    assert caught.value.code == "tpm.signature-scheme"


@pytest.mark.parametrize(
    ("private", "scheme"),
    [(ecc_private(), Scheme.RSASSA), (ecc_private(), Scheme.RSAPSS), (rsa_private(), Scheme.ECDSA)],
)
def test_a_key_of_another_kind_than_its_scheme_verifies_nothing(private, scheme):
    key = replace(quote_key(AK), key=private.public_key(), scheme=scheme)
    signature = replace(parse_signature(AK.sign(QUOTE.encode())), scheme=scheme)
    with pytest.raises(IntegrityError):
        verify(key=key, signature=signature)


@pytest.mark.parametrize(
    "found",
    [b"", b"asked for another run....", QUOTE.extra_data[:-1], QUOTE.extra_data + b"\x00"],
)
def test_a_quote_made_for_something_else_is_refused(found):
    with pytest.raises(EvidenceRefusedError, match="^TPM quote: made for") as caught:
        verify(QUOTE.but(extra_data=found))
    assert caught.value.code == "attestation.binding"


def test_an_empty_expectation_is_refused_whatever_the_quote_says():
    with pytest.raises(MalformedError) as caught:
        verify(QUOTE.but(extra_data=b""), qualifying_data=b"")
    assert caught.value.code == "tpm.qualifying"


@pytest.mark.parametrize(
    "selections",
    [
        (),
        (selection(pcrs=(4, 16)),),  # a register that anybody resets, called 14
        (selection(pcrs=(4,)),),
        (selection(pcrs=(4, 14, 15)),),
        (selection(bank=Hash.SHA384, pcrs=(4, 14)),),
        (selection(pcrs=(4, 14)), selection(pcrs=(4, 14))),
        (selection(pcrs=(4, 14)), selection(pcrs=())),
        (selection(pcrs=(4,)), selection(pcrs=(14,))),
    ],
)
def test_a_quote_over_other_registers_is_refused_even_with_the_same_digest(selections):
    with pytest.raises(EvidenceRefusedError, match="^TPM registers: found") as caught:
        verify(QUOTE.but(selections=selections))
    assert caught.value.code == "tpm.selection"


def test_an_empty_selection_proves_nothing_and_is_refused():
    nothing = PcrSelection(bank=Hash.SHA256, pcrs=frozenset())
    with pytest.raises(MalformedError, match="^TPM registers: none expected"):
        verify(QUOTE.but(selections=(selection(pcrs=()),), values={}), selection=nothing, values={})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {4: QUOTE.values[4]},
        {**QUOTE.values, 15: bytes(32)},
        {4: QUOTE.values[4] + QUOTE.values[14][:1], 14: QUOTE.values[14][1:]},
    ],
)
def test_values_that_do_not_belong_to_the_selection_are_refused(values):
    with pytest.raises(MalformedError) as caught:
        verify(values=values)
    assert caught.value.code == "tpm.values"


def test_values_that_were_not_quoted_are_refused():
    with pytest.raises(IntegrityError) as caught:
        verify(values={4: QUOTE.values[14], 14: QUOTE.values[4]})
    assert caught.value.code == "tpm.pcr-digest"
    with pytest.raises(IntegrityError):
        verify(QUOTE.but(pcr_digest=b""))
