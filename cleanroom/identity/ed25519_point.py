# SPDX-License-Identifier: Apache-2.0
"""Is this a public key for which only one person can sign?

Ed25519 verification accepts any 32 bytes as a key. With a point of small order
as the key, one fixed signature verifies for a large share of all messages, so a
party who publishes such a key can deny everything it ever signed, and anybody can
sign in its name. Such keys are refused before they are pinned.
"""

from __future__ import annotations

from functools import lru_cache

from cleanroom.errors import MalformedError

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_KEY_BYTES = 32
_SIGN_BIT = 1 << 255


def validate_ed25519(public: bytes, *, what: str) -> None:
    """Refuse bytes that are no Ed25519 public key of large order.

    Raises:
        MalformedError: Wrong length, not a canonical point of the curve, or of small order.
    """
    if len(public) != _KEY_BYTES:
        raise MalformedError(f"{what}: not 32 bytes", code="key.length")
    point = _read_point(public)
    if point is None:
        raise MalformedError(f"{what}: not a point of the curve", code="key.point")
    if _has_small_order(*point):
        raise MalformedError(
            f"{what}: a point of small order",
            code="key.small-order",
            hint="anybody can sign for such a key; generate another one",
        )


# Half a millisecond in Python, and a receipt names the same few keys many times.
@lru_cache(maxsize=256)
def _read_point(public: bytes) -> tuple[int, int] | None:
    number = int.from_bytes(public, "little")
    y = number % _SIGN_BIT
    x = _recover_x(y)
    if y >= _P or x is None or (x == 0 and number >= _SIGN_BIT):
        return None
    return x, y


def _recover_x(y: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    root = pow(square, (_P + 3) // 8, _P)
    if root * root % _P != square:
        root = root * pow(2, (_P - 1) // 4, _P) % _P
    return root if root * root % _P == square else None


def _has_small_order(x: int, y: int) -> bool:
    # The cofactor is 8: three doublings take exactly the points of small order to
    # the neutral element (0 : 1). Formulas: RFC 8032 section 5.1.4 with a = -1.
    z = 1
    for _ in range(3):
        b, c, d, h = (x + y) ** 2, x * x, y * y, z * z
        f = d - c
        j = f - 2 * h
        x, y, z = (b - c - d) * j % _P, f * (-c - d) % _P, f * j % _P
    return x == 0 and y == z
