# SPDX-License-Identifier: Apache-2.0
"""What verifiers need beside evidence, and where an operator gets it.

Verification never fetches. A platform says which documents it would need, the
operator's fetch command asks for them through a transport that is an argument,
and a directory keeps the answers, so that everybody verifies offline and alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from cleanroom.attestation.fields import base64_field, closed_object
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited, write_atomic
from cleanroom.kernel.limits import MAX_STRANGERS_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.kernel.strict_json import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralRequest:
    """One document that a vendor's service hands out.

    Attributes:
        name: The collateral item that it becomes, for example ``vcek``.
        url: Where it is.
        method: ``GET`` or ``POST``.
        headers: Headers that the service wants.
        body: Body of a ``POST``.
        issuer_header: Header of the answer that carries its issuer's certificates, or empty.
        dated: Whether the answer is worth less with every day, as a revocation list is.
    """

    name: str
    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes
    issuer_header: str = ""
    dated: bool = False


class Transport(Protocol):
    """Carry one request and return the body of a successful answer.

    Where the request names a header for its issuer's certificates, the body comes in
    :func:`with_issuer` with them.
    """

    def __call__(self, request: CollateralRequest) -> bytes:
        """Ask.

        Raises:
            UnavailableError: No answer, or one that is no success.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralCache:
    """A directory of answers, named by what was asked; whoever can write it is not trusted.

    Attributes:
        directory: Where they are; made when the first answer comes.
    """

    directory: Path

    def path_of(self, request: CollateralRequest) -> Path:
        """Return where the answer to a request lies, whether or not it is there."""
        asked = canonical_json(
            {
                "method": request.method,
                "url": request.url,
                "body": encode_base64(request.body),
            }
        )
        return self.directory / f"{request.name}-{Digest.of(asked).hex[:32]}"

    def store(self, request: CollateralRequest, answer: bytes) -> None:
        """Keep an answer; an older one is replaced.

        Raises:
            UnavailableError: The disk refuses.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path_of(request), answer)

    def kept_since(self, request: CollateralRequest) -> dt.datetime | None:
        """Return when the answer to a request was stored, or nothing if it is not there."""
        try:
            seconds = self.path_of(request).stat().st_mtime
        except OSError:
            return None
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)

    def load(self, requests: Iterable[CollateralRequest]) -> tuple[bytes, ...]:
        """Return the answers that are there, in the order of the requests.

        Raises:
            UnavailableError: A file cannot be read.
        """
        paths = [self.path_of(request) for request in requests]
        return tuple(
            read_limited(path, what=f"collateral {path.name}", limit=MAX_STRANGERS_BYTES)
            for path in paths
            if path.is_file()
        )


def with_issuer(body: bytes, chain: bytes) -> bytes:
    """Write an answer and the certificates that came in its header as one document."""
    return canonical_json({"body": encode_base64(body), "issuer_chain": chain.decode("latin-1")})


def split_issuer(document: bytes) -> tuple[bytes, bytes] | None:
    """Return body and certificates of :func:`with_issuer`; nothing if it is another document.

    Raises:
        MalformedError: JSON that is not strict, or a body that is not base64.
    """
    if not document.startswith(b'{"body":"'):
        return None
    value = parse_json(document, what="fetched answer", limit=MAX_STRANGERS_BYTES)
    members = closed_object(value, members=("body", "issuer_chain"), what="fetched answer")
    body = base64_field(members["body"], what="fetched answer")
    return body, str(members["issuer_chain"]).encode("latin-1", "replace")
