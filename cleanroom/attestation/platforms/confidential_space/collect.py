# SPDX-License-Identifier: Apache-2.0
"""Ask the Confidential Space launcher for a token, over its Unix socket.

Source: Google Cloud, "Custom attestation tokens": ``POST /v1/token`` with audience,
nonces and token type; the answer is the token itself. Tokens of type PKI verify
offline against a pinned root, so that is what we ask for.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from pathlib import Path

from cleanroom.attestation.binding import Channel, expected_in
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.confidential_space.root import PLATFORM
from cleanroom.attestation.tokens.jws import MAX_TOKEN_BYTES, parse_token
from cleanroom.errors import UnavailableError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.record import dataclass

SOCKET = Path("run/container_launcher/teeserver.sock")
# Whom our tokens are for, unless a contract agrees on another name.
AUDIENCE = "cleanroom"
TIMEOUT_SECONDS = 30
_OK = 200

Ask = Callable[[Path, str, bytes], bytes]


def ask_launcher(path: Path, target: str, body: bytes) -> bytes:
    """Post a request to the launcher and return its answer.

    Raises:
        UnavailableError: No launcher, no answer, or one that is no success.
    """
    connection = _UnixConnection(path)
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read(MAX_TOKEN_BYTES + 1)
    except (OSError, http.client.HTTPException):
        raise _unavailable("does not answer") from None
    finally:
        connection.close()
    if answer.status != _OK:
        raise _unavailable(f"answered with status {answer.status}")
    return content


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentialSpaceCollector:
    """Collect a token from inside a Confidential Space container.

    Attributes:
        root: Root of the file system.
        audience: Whom the token is for, as the contract names it.
        ask: How to reach the launcher.
    """

    root: Path
    audience: str
    ask: Ask

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return PLATFORM

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks; empty if ready."""
        path = self.root / SOCKET
        if not path.is_socket():
            return (f"{path}: not there; this is no Confidential Space container",)
        return ()

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return a token whose nonce is derived from the 64 bytes.

        Raises:
            MalformedError: The binding is not 64 bytes, or the answer is no token.
            UnavailableError: There is no launcher, or it gives no token.
        """
        nonce = expected_in(Channel.TOKEN, binding).decode("ascii")
        body = canonical_json({"audience": self.audience, "nonces": [nonce], "token_type": "PKI"})
        token = self.ask(self.root / SOCKET, "/v1/token", body).strip()
        parse_token(token, what="confidential space token")
        return EvidenceItem(platform=PLATFORM, report=token, collateral={})


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


def _unavailable(found: str) -> UnavailableError:
    return UnavailableError(
        f"confidential space launcher: {found}",
        code="gcp.launcher",
        hint="cleanroom attest collect says what this machine lacks",
    )
