# SPDX-License-Identifier: Apache-2.0
"""Key services as their makers document them: real cryptography, real refusals, no network.

Each takes the requests that the documentation shows and refuses what the documentation
says it refuses. A service can be told to answer something else, once for all.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GCP_KEY = "projects/p/locations/europe/keyRings/r/cryptoKeys/k"
AZURE = "https://clean.vault.azure.net"
AZURE_KEY = "/keys/kek/78deebed173b48e48f55abf87ed4cf71"

CONTEXT = "cleanroom.wrapped-seeds.v0/hospital"
KEY = b"k" * 32


def private(path: Path, data: bytes) -> Path:
    """Write a file that only its owner can read."""
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def key_file(path: Path) -> Path:
    """Write a file with a fresh KEK."""
    return private(path, base64.b64encode(os.urandom(32)) + b"\n")


def b64(data: bytes) -> str:
    """Write standard base64."""
    return base64.b64encode(data).decode()


@dataclass
class FakeService(httpx2.BaseTransport):
    """What all have in common: a key, the requests heard, and an answer to give instead."""

    secret: bytes = field(default_factory=lambda: os.urandom(32))
    heard: list[httpx2.Request] = field(default_factory=list)
    instead: httpx2.Response | Exception | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        request.read()
        self.heard.append(request)
        if isinstance(self.instead, Exception):
            raise self.instead
        answer = self.instead or self.answer(request, json.loads(request.content))
        # As a network delivers it: read once, piece by piece.
        return httpx2.Response(
            answer.status_code, headers=answer.headers, stream=httpx2.ByteStream(answer.content)
        )

    def answer(self, request: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        """Answer as documented."""
        raise NotImplementedError

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """Encrypt."""
        nonce = os.urandom(12)
        return nonce + AESGCM(self.secret).encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes | None:
        """Decrypt; ``None`` if it is not what this key sealed."""
        try:
            return AESGCM(self.secret).decrypt(sealed[:12], sealed[12:], bound)
        except (InvalidTag, ValueError):
            return None


@dataclass
class FakeVault(FakeService):
    """HashiCorp Vault, transit engine."""

    version: int = 1
    least_version: int = 1

    def answer(self, request: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        """Answer ``/v1/transit/<act>/kek``."""
        if request.headers.get("x-vault-token") != "token":
            return httpx2.Response(403, json={"errors": ["permission denied"]})
        bound = base64.b64decode(body["associated_data"])
        if request.url.path == "/v1/transit/encrypt/kek":
            sealed = self.seal(base64.b64decode(body["plaintext"]), bound)
            return self._data({"ciphertext": f"vault:v{self.version}:{b64(sealed)}"})
        if request.url.path != "/v1/transit/decrypt/kek":
            return httpx2.Response(400, json={"errors": ["encryption key not found"]})
        _, version, text = body["ciphertext"].split(":", 2)
        if int(version[1:]) < self.least_version:
            told = "ciphertext or signature version is disallowed by policy (too old)"
            return httpx2.Response(400, json={"errors": [told]})
        plain = self.open(base64.b64decode(text), bound)
        if plain is None:
            return httpx2.Response(400, json={"errors": ["cipher: message authentication failed"]})
        return self._data({"plaintext": b64(plain)})

    def _data(self, data: dict[str, str]) -> httpx2.Response:
        return httpx2.Response(200, json={"request_id": "r", "lease_duration": 0, "data": data})


@dataclass
class FakeAws(FakeService):
    """AWS KMS."""

    def answer(self, request: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        """Answer ``TrentService.Encrypt`` and ``TrentService.Decrypt``."""
        signed = request.headers.get("authorization", "")
        if not signed.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"):
            return self._refuse("UnrecognizedClientException")
        if body["KeyId"] != ARN:
            return self._refuse("NotFoundException")
        bound = json.dumps(body["EncryptionContext"], sort_keys=True).encode()
        if request.headers["x-amz-target"] == "TrentService.Encrypt":
            sealed = self.seal(base64.b64decode(body["Plaintext"]), bound)
            return httpx2.Response(200, json={"KeyId": ARN, "CiphertextBlob": b64(sealed)})
        plain = self.open(base64.b64decode(body["CiphertextBlob"]), bound)
        if plain is None:
            return self._refuse("InvalidCiphertextException")
        return httpx2.Response(200, json={"KeyId": ARN, "Plaintext": b64(plain)})

    def _refuse(self, name: str) -> httpx2.Response:
        return httpx2.Response(400, json={"__type": name, "message": "no"})


@dataclass
class FakeGcp(FakeService):
    """Google Cloud KMS."""

    def answer(self, request: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        """Answer ``:encrypt`` and ``:decrypt``."""
        if request.headers.get("authorization") != "Bearer token":
            return refusal(401, "UNAUTHENTICATED")
        bound = base64.b64decode(body["additionalAuthenticatedData"])
        key, _, act = request.url.path.removeprefix("/v1/").rpartition(":")
        if key != GCP_KEY:
            return refusal(404, "NOT_FOUND")
        if act == "encrypt":
            sealed = self.seal(base64.b64decode(body["plaintext"]), bound)
            named = f"{GCP_KEY}/cryptoKeyVersions/1"
            return httpx2.Response(200, json={"name": named, "ciphertext": b64(sealed)})
        plain = self.open(base64.b64decode(body["ciphertext"]), bound)
        if plain is None:
            return refusal(400, "INVALID_ARGUMENT")
        return httpx2.Response(200, json={"plaintext": b64(plain)})


def refusal(status: int, name: str) -> httpx2.Response:
    """Make an error of a Google API."""
    return httpx2.Response(status, json={"error": {"code": status, "status": name}})


@dataclass
class FakeAzure(FakeService):
    """Azure Key Vault: RSA-OAEP-256."""

    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def answer(self, request: httpx2.Request, body: dict[str, Any]) -> httpx2.Response:
        """Answer ``wrapkey`` and ``unwrapkey``."""
        if request.headers.get("authorization") != "Bearer token":
            return azure_refusal(401, "Unauthorized")
        key, _, act = request.url.path.rpartition("/")
        if key != AZURE_KEY or request.url.params["api-version"] != "7.4":
            return azure_refusal(404, "KeyNotFound")
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        assert body["alg"] == "RSA-OAEP-256"
        value = base64.urlsafe_b64decode(body["value"] + "==")
        try:
            done = (
                self.key.public_key().encrypt(value, oaep)
                if act == "wrapkey"
                else self.key.decrypt(value, oaep)
            )
        except ValueError:
            return azure_refusal(400, "BadParameter")
        text = base64.urlsafe_b64encode(done).rstrip(b"=").decode()
        return httpx2.Response(200, json={"kid": AZURE + AZURE_KEY, "value": text})


def azure_refusal(status: int, name: str, inner: str = "") -> httpx2.Response:
    """Make an error of Key Vault."""
    error: dict[str, Any] = {"code": name, "message": "no"}
    if inner:
        error["innererror"] = {"code": inner}
    return httpx2.Response(status, json={"error": error})
