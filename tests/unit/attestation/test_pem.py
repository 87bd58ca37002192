# SPDX-License-Identifier: Apache-2.0
import contextlib

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


@pytest.mark.parametrize("widths", [(64, 64), (76, 64), (64, 76), (76, 76)])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_each_certificate_may_have_the_lines_of_pem_or_of_mail(widths, end):
    long = (TWO[:100], TWO[:99] + b"\1")
    text = b"".join(pem_of(item, width=width) for item, width in zip(long, widths, strict=True))
    text = text.replace(b"\n", end)
    assert split_pem(text, what="chain") == long
    # Every other byte in the place of any byte is another certificate, or refused.
    for at in range(len(text)):
        for bit in range(8):
            changed = bytearray(text)
            changed[at] ^= 1 << bit
            with contextlib.suppress(MalformedError):
                assert split_pem(bytes(changed), what="chain") != long


@pytest.mark.parametrize("width", [60, 65, 72, 77, 1000])
def test_lines_of_another_length_are_refused(width):
    with pytest.raises(MalformedError, match="agreed PEM blocks of 64 or 76 digits a line"):
        split_pem(pem_of(TWO, width=width), what="chain")
    # One certificate has lines of one length.
    begin, *lines, end = pem_of(TWO).splitlines()
    digits = b"".join(lines)
    wrapped = [digits[:76], *(digits[at : at + 64] for at in range(76, len(digits), 64))]
    mixed = b"\n".join([begin, *wrapped, end, b""])
    assert split_loose_pem(mixed, what="chain") == (TWO,)
    with pytest.raises(MalformedError):
        split_pem(mixed, what="chain")


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
