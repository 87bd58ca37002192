# SPDX-License-Identifier: Apache-2.0
"""Carry requests to a broker on another machine, over HTTP or HTTPS, signed for somebody.

No redirect, proxy or environment variable can send a request elsewhere.
"""

from __future__ import annotations

import datetime as dt
import secrets
import ssl

import httpx2

from cleanroom.contract.introduction import Introduction
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import MalformedError
from cleanroom.kernel.clock import Clock
from cleanroom.runner.broker_carriers import CONNECT_TIMEOUT, Carried, too_large, unreachable

_NONCE_BYTES = 16


class NetworkCarrier:
    """Carry requests over connections that are used again."""

    def __init__(
        self,
        address: str,
        *,
        caller: Introduction | None,
        authorities: str,
        timeout: dt.timedelta,
        clock: Clock,
    ) -> None:
        """Prepare a client for ``http://host:port`` or ``https://…``.

        Args:
            address: As in a party document.
            caller: For whom requests are signed; public readings need nobody.
            authorities: PEM certificates of whoever may vouch for the broker's host;
                empty for the system's.
            timeout: How long the broker may be silent.
            clock: Says when requests are signed.

        Raises:
            MalformedError: The authorities are not PEM certificates.
        """
        self._address = address
        self._caller = caller
        self._clock = clock
        self._client = httpx2.Client(
            base_url=address,
            transport=_transport(authorities),
            timeout=httpx2.Timeout(
                timeout.total_seconds(), connect=CONNECT_TIMEOUT.total_seconds()
            ),
            follow_redirects=False,
            trust_env=False,
        )

    def send(self, method: str, path: str, body: bytes, *, limit: int) -> Carried:
        """Carry a request there and the answer back.

        Raises:
            UnavailableError: There was no whole answer.
            MalformedError: It is larger than the limit.
        """
        request = self._client.build_request(method, path, content=body or None)
        if self._caller is not None:
            request.headers.update(self._signature(request, self._caller))
        try:
            response = self._client.send(request, stream=True)
            try:
                data = _read(response, limit=limit)
            finally:
                response.close()
        except (httpx2.TransportError, OSError) as error:
            raise unreachable(self._address) from error
        kind = response.headers.get("content-type", "")
        return Carried(status=response.status_code, kind=kind, data=data)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _signature(self, request: httpx2.Request, caller: Introduction) -> dict[str, str]:
        body = request.read()
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        return caller.sign(_target(request), body, nonce=nonce, at=self._clock())


def load_network_client() -> None:
    """Load what a first request needs; the library leaves half of itself until then."""
    _transport("").close()


def _target(request: httpx2.Request) -> RequestTarget:
    url = request.url
    path, _, query = url.raw_path.partition(b"?")
    return RequestTarget(
        method=request.method,
        authority=url.netloc.decode("ascii").lower(),
        path=path.decode("ascii"),
        query=query.decode("ascii"),
    )


def _transport(authorities: str) -> httpx2.HTTPTransport:
    if not authorities:
        return httpx2.HTTPTransport()
    try:
        return httpx2.HTTPTransport(verify=ssl.create_default_context(cadata=authorities))
    except ssl.SSLError:
        raise MalformedError(
            "authorities: not PEM certificates", code="broker.authorities"
        ) from None


def _read(response: httpx2.Response, *, limit: int) -> bytes:
    data = bytearray()
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > limit:
            raise too_large(limit)
    return bytes(data)
