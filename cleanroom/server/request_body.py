# SPDX-License-Identifier: Apache-2.0
"""Read a request's bytes within a size and a time, before anybody parses them."""

from __future__ import annotations

import asyncio
import datetime as dt

from starlette.requests import ClientDisconnect, Request

from cleanroom.errors import MalformedError, UnavailableError

BODY_TIME = dt.timedelta(seconds=60)


async def read_body(request: Request, *, limit: int, within: dt.timedelta = BODY_TIME) -> bytes:
    """Return the whole body.

    Raises:
        MalformedError: Announced or found to be larger than the limit.
        UnavailableError: It did not arrive in time: a caller that sends one byte a
            second must not hold the doors open.
    """
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limit:
        raise oversize(limit)
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await _collect(request, limit=limit)
    except (TimeoutError, ClientDisconnect):
        raise UnavailableError(
            "request: did not arrive in time",
            code="broker.slow-request",
            hint="check the network, then send it again",
        ) from None


async def _collect(request: Request, *, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise oversize(limit)
    return bytes(body)


def oversize(limit: int) -> MalformedError:
    """Make the error for a body over its limit."""
    return MalformedError(f"request: larger than {limit} bytes", code="format.oversize")
