# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.parse import (
    PcrSelection,
    parse_quote,
    parse_signature,
    rsassa_sha256,
)
from cleanroom.errors import MalformedError
from tests.support.tpm_forge import AK, RSA_AK, ForgedQuote, selection, sized

QUOTE = ForgedQuote()
DATA = QUOTE.encode()


def refused(parse, data, cause):
    with pytest.raises(MalformedError) as caught:
        parse(data)
    assert caught.value.code == f"tpm.{cause}"
    return caught.value.message


def test_every_field_of_a_quote_is_read():
    quote = parse_quote(DATA)
    assert quote.raw == DATA
    assert quote.qualified_signer == QUOTE.signer
    assert quote.extra_data == QUOTE.extra_data
    assert (quote.clock, quote.reset_count, quote.restart_count) == (1000, 3, 1)
    assert quote.safe is True
    assert quote.firmware_version == 7
    assert quote.selections == (PcrSelection(bank=Hash.SHA256, pcrs=frozenset({4, 14})),)
    assert quote.pcr_digest == Hash.SHA256.digest(b"\x44" * 32 + b"\xee" * 32)


def test_an_unsafe_clock_is_told():
    assert parse_quote(QUOTE.but(safe=b"\x00").encode()).safe is False


def test_a_selection_is_written_for_people():
    assert str(parse_quote(DATA).selections[0]) == "sha256:4,14"


def test_a_quote_cut_anywhere_is_refused():
    for length in range(len(DATA)):
        refused(parse_quote, DATA[:length], "truncated")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"magic": b"\xffTCH"}, "magic"),
        ({"tag": b"\x80\x17"}, "type"),  # TPM_ST_ATTEST_CERTIFY
        ({"tag": b"\x80\x14"}, "type"),  # TPM_ST_ATTEST_NV
        ({"safe": b"\x02"}, "boolean"),
        ({"signer": bytes(67)}, "oversize"),
        ({"extra_data": bytes(67)}, "oversize"),
        ({"pcr_digest": bytes(65)}, "oversize"),
        ({"selections": (selection(),) * 17}, "oversize"),
        ({"selections": (b"\x00\x0b\x05" + bytes(5),)}, "oversize"),
        ({"selections": (b"\x00\x0b\x04\x00\x00\x00\x01",)}, "register"),
        ({"selections": (selection(bank=0x0004),)}, "hash"),  # SHA-1
        ({"trailing": b"\x00"}, "trailing"),
    ],
)
def test_a_quote_that_is_wrong_in_one_field_is_refused_by_its_cause(changes, cause):
    assert refused(parse_quote, QUOTE.but(**changes).encode(), cause).startswith("TPM quote")


def test_a_quote_may_be_over_no_bank_or_over_several():
    assert parse_quote(QUOTE.but(selections=()).encode()).selections == ()
    two = (selection(), selection(bank=Hash.SHA384, pcrs=(0,)))
    assert [
        str(item.bank.name) for item in parse_quote(QUOTE.but(selections=two).encode()).selections
    ] == [
        "SHA256",
        "SHA384",
    ]


@pytest.mark.parametrize(("key", "parts"), [(AK, 2), (RSA_AK, 1)])
def test_a_signature_is_read_in_its_scheme(key, parts):
    data = key.sign(DATA)
    signature = parse_signature(data)
    assert (signature.scheme, signature.hash) == (key.scheme, key.hash)
    assert len(signature.parts) == parts
    for length in range(len(data)):
        with pytest.raises(MalformedError):
            parse_signature(data[:length])
    refused(parse_signature, data + b"\x00", "trailing")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x00\x05\x00\x0b" + sized(bytes(32)), "scheme"),  # HMAC
        (b"\x00\x10", "scheme"),
        (b"\x00\x14\x00\x04" + sized(bytes(256)), "hash"),  # SHA-1
        (b"\x00\x14\x00\x0b" + sized(bytes(513)), "oversize"),
        (b"\x00\x18\x00\x0b" + sized(bytes(67)) + sized(bytes(32)), "oversize"),
    ],
)
def test_a_signature_that_does_not_count_is_refused(data, cause):
    refused(parse_signature, data, cause)


def test_a_bare_signature_is_taken_as_azure_makes_it():
    signature = rsassa_sha256(b"raw")
    assert (signature.scheme, signature.hash, signature.parts) == (
        Scheme.RSASSA,
        Hash.SHA256,
        (b"raw",),
    )
