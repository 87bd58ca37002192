# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom import errors
from cleanroom.vault.header import PartContext
from cleanroom.vault.stream import PartReader
from tests.support.vector_files import parse_vector, read_vectors
from tests.vectors.sealed_part.generate import DIRECTORY, good_parts, plaintext, vectors

COMMITTED = read_vectors(DIRECTORY)
PARTS = {path.name: path.read_bytes() for path in sorted(DIRECTORY.glob("*.part"))}


def assemble(pieces):
    found = b""
    for piece in pieces:
        if "bytes" in piece:
            found += base64.b64decode(piece["bytes"])
        else:
            found += PARTS[piece["base"]][piece.get("from", 0) : piece.get("to")]
    return found


def read(path, agreed):
    context = dict(agreed)
    key = bytes.fromhex(context.pop("key"))
    for name in ("key_id", "file_id"):
        context[name] = bytes.fromhex(context[name])
    reader = PartReader(path, key=key, expected=PartContext(**context), name="part")
    try:
        reader.verify()
        return bytes(reader.read_at(0, reader.size))
    finally:
        reader.close()


def test_the_generator_still_makes_the_committed_vectors():
    assert {name: vector.render() for name, vector in vectors().items()} == COMMITTED
    assert good_parts() == PARTS


@pytest.mark.parametrize("name", COMMITTED)
def test_each_vector_ends_as_it_says(name, tmp_path):
    vector = parse_vector(COMMITTED[name])
    path = tmp_path / "part"
    path.write_bytes(assemble(vector.body["pieces"]))
    if vector.expect == "success":
        plain = read(path, vector.body["agreed"])
        assert plain == plaintext(len(plain))
        return
    expected, code = vector.expect.split()
    with pytest.raises(getattr(errors, expected), match=r"^part: ") as refused:
        read(path, vector.body["agreed"])
    assert type(refused.value).__name__ == expected
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["empty.part", "short.part", "long.part"])
def test_a_reader_written_from_the_protocol_page_alone_agrees(name):
    """Nothing of the vault is used here but the bytes."""
    data = PARTS[name]
    header, body = data[:192], data[192:]
    pseudorandom = hmac.new(bytes(32), bytes(range(32)), hashlib.sha256).digest()
    info = b"cleanroom.sealed-part.v0\0" + header + b"\x01"
    cipher = AESGCM(hmac.new(pseudorandom, info, hashlib.sha256).digest())
    pieces = [body[start : start + 65552] for start in range(0, len(body), 65552)]
    plain = b"".join(
        cipher.decrypt(
            number.to_bytes(11, "big") + bytes([number == len(pieces) - 1]), piece, header
        )
        for number, piece in enumerate(pieces)
    )
    assert plain == plaintext(len(plain))
