# SPDX-License-Identifier: Apache-2.0
"""A KEK in AWS KMS: ``Encrypt`` and ``Decrypt`` with an encryption context.

Source: AWS KMS API Reference. Keys that AWS rotates by itself open what they wrapped
before; a key is rotated by hand with ``cleanroom broker rewrap``.
"""

from __future__ import annotations

import configparser
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from cleanroom.errors import MalformedError
from cleanroom.identity.private_files import read_private_file
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.keybroker.kek.https import MAX_CREDENTIALS_BYTES, Answer, KeyService
from cleanroom.keybroker.kek.sigv4 import Credentials, Scope, sign_post
from cleanroom.keybroker.kek.source import Trouble

_TARGET = "TrentService"  # the name under which KMS takes requests
_TROUBLES = {
    "InvalidCiphertextException": Trouble.WRONG,
    "IncorrectKeyException": Trouble.WRONG,
    "InvalidKeyUsageException": Trouble.WRONG,
    "DisabledException": Trouble.DISABLED,
    "KMSInvalidStateException": Trouble.DISABLED,
    "NotFoundException": Trouble.ABSENT,
    "AccessDeniedException": Trouble.DENIED,
    "UnrecognizedClientException": Trouble.DENIED,
    "InvalidSignatureException": Trouble.DENIED,
    "IncompleteSignatureException": Trouble.DENIED,
    "ExpiredTokenException": Trouble.DENIED,
    "ThrottlingException": Trouble.UNREACHABLE,
    "KeyUnavailableException": Trouble.UNREACHABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKek:
    """``awskms:arn:aws:kms:<region>:<account>:key/<id>?credentials-file=/path``.

    Attributes:
        service: Where KMS answers.
        arn: The key, in full: an alias could be pointed elsewhere.
        region: Of the key.
        credentials_file: A shared credentials file with a ``[default]`` profile.
        clock: Says when requests are signed.
    """

    service: KeyService
    arn: str
    region: str
    credentials_file: Path
    clock: Clock

    @property
    def place(self) -> str:
        """Which key it is."""
        return self.service.place

    def wrap(self, key: bytes, *, context: str) -> bytes:
        """Let KMS encrypt.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        answer = self._ask("Encrypt", {"Plaintext": encode_base64(key)}, context=context)
        return self.service.decoded(self.service.member(answer, "CiphertextBlob"))

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Let KMS decrypt, with this key and no other.

        Raises:
            CleanroomError: See :class:`Trouble`.
        """
        blob: dict[str, JSONValue] = {"CiphertextBlob": encode_base64(wrapped)}
        answer = self._ask("Decrypt", blob, context=context)
        return self.service.decoded(self.service.member(answer, "Plaintext"))

    def _ask(self, act: str, members: dict[str, JSONValue], *, context: str) -> Answer:
        bound: dict[str, JSONValue] = {"cleanroom": context}
        body = canonical_json(members | {"KeyId": self.arn, "EncryptionContext": bound})
        headers = {
            "host": urlsplit(self.service.base).netloc,
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"{_TARGET}.{act}",
        }
        scope = Scope(region=self.region, service="kms", at=self.clock())
        credentials = read_credentials(self.credentials_file)
        signed = sign_post(credentials, scope, headers=headers, path="/", body=body)
        status, answer = self.service.post("/", headers=signed, body=body)
        if status != HTTPStatus.OK:
            # "com.amazonaws.kms#DisabledException" and the bare name are both documented.
            named = str(answer.get("__type", "")).rpartition("#")[2]
            raise _TROUBLES.get(named, Trouble.ANSWER).of(self.place)
        if answer.get("KeyId") != self.arn:
            raise Trouble.ANSWER.of(self.place)
        return answer


def read_credentials(path: Path) -> Credentials:
    """Read the default profile of a shared credentials file.

    Raises:
        UnavailableError: There is no such file.
        RefusedError: Others can read it.
        MalformedError: No such profile.
    """
    data = read_private_file(path, limit=MAX_CREDENTIALS_BYTES)
    reader = configparser.ConfigParser(interpolation=None)
    try:
        reader.read_string(data.decode("ascii"))
        profile = reader["default"]
        return Credentials(
            key_id=profile["aws_access_key_id"],
            secret=profile["aws_secret_access_key"],
            session=profile.get("aws_session_token", ""),
        )
    except (configparser.Error, KeyError, UnicodeDecodeError):
        # Outside the handler: these errors quote the line, which may be the secret.
        pass
    raise MalformedError(
        "kek credentials: no [default] with aws_access_key_id and aws_secret_access_key",
        code="kek.credentials",
        hint="the form of ~/.aws/credentials",
    )
