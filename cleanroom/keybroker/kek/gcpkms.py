# SPDX-License-Identifier: Apache-2.0
"""A KEK in Google Cloud KMS: ``POST /v1/<key>:encrypt`` and ``:decrypt``.

Source: Cloud KMS REST reference. The context is ``additionalAuthenticatedData``. A
rotated key opens what its older versions wrapped while those are enabled.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.keybroker.kek.https import Answer, KeyService, read_token
from cleanroom.keybroker.kek.source import Trouble

_TROUBLES = {
    "INVALID_ARGUMENT": Trouble.WRONG,
    "FAILED_PRECONDITION": Trouble.DISABLED,
    "NOT_FOUND": Trouble.ABSENT,
    "PERMISSION_DENIED": Trouble.DENIED,
    "UNAUTHENTICATED": Trouble.DENIED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpKek:
    """``gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K?token-file=/path``.

    Attributes:
        service: Where Cloud KMS answers.
        key: The key's resource name.
        token_file: Holds an OAuth 2.0 access token.
    """

    service: KeyService
    key: str
    token_file: Path

    @property
    def place(self) -> str:
        """Which key it is."""
        return self.service.place

    def wrap(self, key: bytes, *, context: str) -> bytes:
        """Let Cloud KMS encrypt.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        answer = self._ask("encrypt", {"plaintext": encode_base64(key)}, context=context)
        # The version that wrapped it is below the key that was asked, and no other.
        if not self.service.member(answer, "name").startswith(f"{self.key}/cryptoKeyVersions/"):
            raise Trouble.ANSWER.of(self.place)
        return self.service.decoded(self.service.member(answer, "ciphertext"))

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Let Cloud KMS decrypt.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        answer = self._ask("decrypt", {"ciphertext": encode_base64(wrapped)}, context=context)
        return self.service.decoded(self.service.member(answer, "plaintext"))

    def _ask(self, act: str, members: dict[str, JSONValue], *, context: str) -> Answer:
        bound = members | {"additionalAuthenticatedData": encode_base64(context.encode())}
        status, answer = self.service.post(
            f"/v1/{self.key}:{act}",
            headers={"authorization": f"Bearer {read_token(self.token_file)}"},
            body=canonical_json(bound),
        )
        if status != HTTPStatus.OK:
            named = self.service.member(answer, "error", "status")
            raise _TROUBLES.get(named, Trouble.ANSWER).of(self.place)
        return answer
