# SPDX-License-Identifier: Apache-2.0
"""Write DER by hand, right or wrong: what a library would refuse to write."""

from __future__ import annotations

import datetime as dt
import hashlib

from cryptography.hazmat.primitives.asymmetric import rsa


def tlv(tag: int, *content: bytes) -> bytes:
    """Write one value."""
    data = b"".join(content)
    size = len(data)
    if size < 0x80:
        return bytes([tag, size]) + data
    width = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | width]) + size.to_bytes(width, "big") + data


def sequence(*items: bytes) -> bytes:
    """Write a ``SEQUENCE``."""
    return tlv(0x30, *items)


def integer(value: int) -> bytes:
    """Write a non-negative ``INTEGER``."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(data: bytes) -> bytes:
    """Write an ``OCTET STRING``."""
    return tlv(0x04, data)


def identifier(dotted: str) -> bytes:
    """Write an ``OBJECT IDENTIFIER``."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(0x06, *(_arc(arc) for arc in (40 * first + second, *rest)))


def ia5(text: str) -> bytes:
    """Write an ``IA5String``."""
    return tlv(0x16, text.encode("ascii"))


def utc_time(moment: dt.datetime) -> bytes:
    """Write a ``UTCTime``."""
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode("ascii"))


def pss_sign(key: rsa.RSAPrivateKey, data: bytes, *, salt_bytes: int = 48) -> bytes:
    """Sign with RSASSA-PSS and SHA-384 (RFC 8017 section 9.1.1), the salt a digest of the data.

    A library takes the salt at random, and a committed vector must come out again.
    """
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    salt = hashlib.sha512(b"salt" + data).digest()[:salt_bytes]
    digest = hashlib.sha384(bytes(8) + hashlib.sha384(data).digest() + salt).digest()
    size = (modulus.bit_length() + 6) // 8
    block = bytes(size - len(salt) - len(digest) - 2) + b"\x01" + salt
    masked = bytes(a ^ b for a, b in zip(block, _mask(digest, len(block)), strict=True))
    first = masked[0] & (0xFF >> (8 * size - modulus.bit_length() + 1))
    encoded = bytes([first]) + masked[1:] + digest + b"\xbc"
    value = pow(int.from_bytes(encoded, "big"), numbers.d, modulus)
    return value.to_bytes((modulus.bit_length() + 7) // 8, "big")


def _mask(seed: bytes, size: int) -> bytes:
    blocks = range(-(-size // hashlib.sha384().digest_size))
    return b"".join(hashlib.sha384(seed + n.to_bytes(4, "big")).digest() for n in blocks)[:size]


def _arc(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))
