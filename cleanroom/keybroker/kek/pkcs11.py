# SPDX-License-Identifier: Apache-2.0
"""A KEK in a PKCS#11 token (HSM, smart card, SoftHSM): AES-GCM inside the token.

Source: PKCS#11 3.0, CKM_AES_GCM. The key never leaves; a session is opened for each use,
so that a token that was taken out is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.identity.private_files import read_private_file
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.kek.file import NONCE_BYTES
from cleanroom.keybroker.kek.source import Trouble

MAX_PIN_BYTES = 256
_TAG_BITS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKek:
    """``pkcs11:token=T;object=K?module-path=/lib.so&pin-source=/path`` (RFC 7512).

    Attributes:
        module: The token maker's library.
        token: Label of the token.
        label: Label of a 256-bit AES key that may encrypt and decrypt.
        pin_file: Holds the user's PIN.
        entropy: Where nonces come from.
    """

    module: Path
    token: str
    label: str
    pin_file: Path
    entropy: Callable[[int], bytes] = os.urandom

    @property
    def place(self) -> str:
        """Which key it is."""
        return f"pkcs11:token={self.token};object={self.label}"

    def wrap(self, key: bytes, *, context: str) -> bytes:
        """Let the token encrypt.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        nonce = self.entropy(NONCE_BYTES)
        return nonce + self._use("encrypt", key, nonce=nonce, context=context)

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Let the token decrypt.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        return self._use("decrypt", sealed, nonce=nonce, context=context)

    def _use(self, act: str, data: bytes, *, nonce: bytes, context: str) -> bytes:
        pkcs11 = _library()
        pin = read_private_file(self.pin_file, limit=MAX_PIN_BYTES).removesuffix(b"\n")
        parameters = pkcs11.GCMParams(nonce, context.encode(), _TAG_BITS)
        try:
            token = pkcs11.lib(str(self.module)).get_token(token_label=self.token)
            with token.open(user_pin=pin.decode("utf-8", "replace")) as session:
                kind = pkcs11.ObjectClass.SECRET_KEY
                key = session.get_key(object_class=kind, label=self.label)
                mechanism = pkcs11.Mechanism.AES_GCM
                done = getattr(key, act)(data, mechanism=mechanism, mechanism_param=parameters)
                return bytes(done)
        except (pkcs11.PKCS11Error, RuntimeError) as error:
            told = self._trouble(error, pkcs11.exceptions)
        # Outside the handler: a library's words may hold what it was given.
        raise told

    def _trouble(self, error: Exception, known: Any) -> CleanroomError:  # noqa: ANN401
        absent = (known.NoSuchKey, known.NoSuchToken, known.TokenNotPresent)
        denied = (known.PinIncorrect, known.PinLocked, known.PinInvalid, known.PinLenRange)
        wrong = (
            known.EncryptedDataInvalid,
            known.EncryptedDataLenRange,
            known.MechanismParamInvalid,
            known.GeneralError,
        )
        for kinds, trouble in (
            (absent, Trouble.ABSENT),
            (denied, Trouble.DENIED),
            (wrong, Trouble.WRONG),
        ):
            if isinstance(error, kinds):
                return trouble.of(self.place)
        return Trouble.UNREACHABLE.of(self.place)


def _library() -> Any:  # noqa: ANN401 - it has no types
    try:
        # Only a broker with such a key needs it.
        import pkcs11  # noqa: PLC0415
    except ImportError:
        raise UnavailableError(
            "kek: tokens need the package python-pkcs11",
            code="kek.extra",
            hint="pip install 'cleanroom[pkcs11]'",
        ) from None
    return pkcs11
