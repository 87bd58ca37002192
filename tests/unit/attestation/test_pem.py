# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.pem import pem_of, split_pem
from cleanroom.errors import MalformedError

ONE, TWO = b"\x30\x03abc", b"\x30\x82\x01\x00" + bytes(256)


@pytest.mark.parametrize("padding", [b"", b"\n", b"\0\0", b"\r\n \0"])
def test_what_was_written_reads_back_in_order(padding):
    assert split_pem(padding + pem_of(ONE) + pem_of(TWO) + padding, what="chain") == (ONE, TWO)


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
