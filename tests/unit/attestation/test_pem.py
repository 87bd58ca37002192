# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.pem import pem_of, split_loose_pem, split_pem
from cleanroom.errors import MalformedError

ONE, TWO = b"\x30\x03abc", b"\x30\x82\x01\x00" + bytes(256)


BOTH = pem_of(ONE) + pem_of(TWO)


@pytest.mark.parametrize("padding", [b"", b"\n", b"\0\0", b"\r\n \0"])
def test_what_strangers_wrote_reads_back_in_order(padding):
    assert split_loose_pem(padding + BOTH + padding, what="chain") == (ONE, TWO)


@pytest.mark.parametrize(
    "text", [BOTH, BOTH[:-1], BOTH + b"\0", BOTH[:-1] + b"\0", BOTH.replace(b"\n", b"\r\n")]
)
def test_the_one_spelling_reads_back_in_order(text):
    assert split_pem(text, what="chain") == (ONE, TWO)


@pytest.mark.parametrize(
    "text",
    [
        b"\n" + BOTH,
        BOTH + b"\n",
        BOTH + b"\0\0",
        BOTH.replace(b"\n", b"\x0b", 1),
        BOTH.replace(b"\n", b"\r\n", 1),
        pem_of(ONE) + b"\n" + pem_of(TWO),
        BOTH.replace(b"\n", b" \n", 1),
    ],
)
def test_another_spelling_of_the_same_certificates_is_refused(text):
    assert split_loose_pem(text, what="chain") == (ONE, TWO)
    with pytest.raises(MalformedError, match="^chain: not PEM in its one spelling"):
        split_pem(text, what="chain")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not 1 to 8"),
        (b"text", "not 1 to 8"),
        (b"text " + pem_of(ONE), "not 1 to 8"),
        (pem_of(ONE) * 9, "not 1 to 8"),
        (pem_of(ONE).replace(b"-----END", b"-----HALT"), "not PEM"),
        (pem_of(ONE) + b"text", "not PEM"),
        (pem_of(ONE).replace(b"MAN", b"M*N"), "not standard base64"),
        (pem_of(ONE) + b" " * 300_000 + pem_of(ONE), "too long"),
    ],
)
def test_anything_else_between_or_around_is_refused(data, match):
    with pytest.raises(MalformedError, match=f"^chain: {match}"):
        split_pem(data, what="chain")
