# SPDX-License-Identifier: Apache-2.0
"""A KEK in Azure Key Vault or Managed HSM: ``wrapkey`` and ``unwrapkey`` with RSA-OAEP-256.

Source: Key Vault REST API 7.4. RSA has no associated data: the context is bound by what
the wrapped key seals. The version of the key is part of its address, so rotating it is
``cleanroom broker rewrap`` from one version to the next.
"""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from pathlib import Path

from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.kek.https import Answer, KeyService, read_token
from cleanroom.keybroker.kek.source import Trouble

ALGORITHM = "RSA-OAEP-256"
_VERSION = "7.4"
_DISABLED = frozenset({"KeyDisabled", "KeyNotYetValid", "KeyExpired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureKek:
    """``azurekv:https://<vault>.vault.azure.net/keys/<name>/<version>?token-file=/path``.

    Attributes:
        service: Where the vault answers.
        key: ``/keys/<name>/<version>``.
        token_file: Holds an access token for the vault.
    """

    service: KeyService
    key: str
    token_file: Path

    @property
    def place(self) -> str:
        """Which key it is."""
        return self.service.place

    def wrap(self, key: bytes, *, context: str) -> bytes:
        """Let the vault wrap.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        del context
        return self._ask("wrapkey", key)

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Let the vault unwrap.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        del context
        return self._ask("unwrapkey", wrapped)

    def _ask(self, act: str, value: bytes) -> bytes:
        text = base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
        status, answer = self.service.post(
            f"{self.key}/{act}?api-version={_VERSION}",
            headers={"authorization": f"Bearer {read_token(self.token_file)}"},
            body=canonical_json({"alg": ALGORITHM, "value": text}),
        )
        if status != HTTPStatus.OK:
            raise _trouble(status, answer).of(self.place)
        if self.service.member(answer, "kid") != f"{self.service.base}{self.key}":
            raise Trouble.ANSWER.of(self.place)
        return self._decoded(self.service.member(answer, "value"))

    def _decoded(self, text: str) -> bytes:
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise Trouble.ANSWER.of(self.place) from None


def _trouble(status: HTTPStatus, answer: Answer) -> Trouble:
    error = answer.get("error")
    inner = error.get("innererror") if isinstance(error, dict) else None
    if isinstance(inner, dict) and inner.get("code") in _DISABLED:
        return Trouble.DISABLED
    return {
        HTTPStatus.BAD_REQUEST: Trouble.WRONG,
        HTTPStatus.UNAUTHORIZED: Trouble.DENIED,
        HTTPStatus.FORBIDDEN: Trouble.DENIED,
        HTTPStatus.NOT_FOUND: Trouble.ABSENT,
    }.get(status, Trouble.ANSWER)
