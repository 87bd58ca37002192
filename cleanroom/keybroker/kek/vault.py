# SPDX-License-Identifier: Apache-2.0
"""A KEK in HashiCorp Vault's transit engine: ``POST /v1/<mount>/encrypt|decrypt/<key>``.

Source: Vault API, secrets engine "transit". The context goes along as
``associated_data``, which keys of type aes256-gcm96 and chacha20-poly1305 take.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.keybroker.kek.https import Answer, KeyService, read_token
from cleanroom.keybroker.kek.source import Trouble

_TOO_OLD = "version is disallowed by policy"
_NO_KEY = "encryption key not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultKek:
    """``vault:https://host:8200/<mount>/<key>?token-file=/path``.

    Attributes:
        service: Where Vault answers.
        mount: Where the transit engine is mounted.
        key: Name of the key.
        token_file: Holds a token that may encrypt and decrypt with it.
    """

    service: KeyService
    mount: str
    key: str
    token_file: Path

    @property
    def place(self) -> str:
        """Which key it is."""
        return self.service.place

    def wrap(self, key: bytes, *, context: str) -> bytes:
        """Let Vault encrypt; the answer names the version of the key.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        answer = self._ask("encrypt", {"plaintext": encode_base64(key)}, context=context)
        return self.service.member(answer, "data", "ciphertext").encode("utf-8")

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Let Vault decrypt.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        text = wrapped.decode("utf-8", "replace")
        answer = self._ask("decrypt", {"ciphertext": text}, context=context)
        return self.service.decoded(self.service.member(answer, "data", "plaintext"))

    def _ask(self, act: str, members: dict[str, JSONValue], *, context: str) -> Answer:
        bound = members | {"associated_data": encode_base64(context.encode())}
        status, answer = self.service.post(
            f"/v1/{self.mount}/{act}/{self.key}",
            headers={"x-vault-token": read_token(self.token_file)},
            body=canonical_json(bound),
        )
        if status != HTTPStatus.OK:
            raise _trouble(status, answer).of(self.place)
        return answer


def _trouble(status: HTTPStatus, answer: Answer) -> Trouble:
    told = str(answer.get("errors", ""))
    if status == HTTPStatus.FORBIDDEN:
        return Trouble.DENIED
    if status == HTTPStatus.NOT_FOUND or _NO_KEY in told:
        return Trouble.ABSENT
    if status == HTTPStatus.BAD_REQUEST:
        return Trouble.OTHER_VERSION if _TOO_OLD in told else Trouble.WRONG
    return Trouble.ANSWER
