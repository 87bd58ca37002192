# SPDX-License-Identifier: Apache-2.0
"""Speak to one owner's key broker over a Unix socket or HTTP.

The wire is trusted with nothing: what comes back is unverified, and the caller
verifies it against the party's pinned broker key.
"""

from __future__ import annotations

import datetime as dt
from types import TracebackType
from typing import Self

from cleanroom.contract.broker_requests import (
    BrokerStatus,
    Challenge,
    ChallengeRequest,
    CommitRequest,
    Notice,
    ReleaseRequest,
)
from cleanroom.contract.statements import LoggedStatement
from cleanroom.kernel.digest import Digest

REQUEST_TIMEOUT = dt.timedelta(seconds=30)


class BrokerClient:
    """One broker, by the address in its party document.

    Use it as a context manager, or call :meth:`close`.
    """

    def __init__(self, address: str, *, timeout: dt.timedelta = REQUEST_TIMEOUT) -> None:
        """Prepare a client for ``unix:/path``, ``http://host:port`` or ``https://…``."""
        raise NotImplementedError(address, timeout)

    def challenge(self, request: ChallengeRequest) -> Challenge:
        """Ask for a nonce."""
        raise NotImplementedError(request)

    def release(self, request: ReleaseRequest) -> LoggedStatement:
        """Ask for keys; verify the answer with ``statements.verify_key_release``."""
        raise NotImplementedError(request)

    def commit(self, request: CommitRequest) -> LoggedStatement:
        """Ask for a countersignature; verify it with ``statements.verify_commit``."""
        raise NotImplementedError(request)

    def notice(self, notice: Notice) -> LoggedStatement:
        """Deliver a rejection, revocation or contract; verify the acknowledgement."""
        raise NotImplementedError(notice)

    def status(self) -> BrokerStatus:
        """Ask how the broker is."""
        raise NotImplementedError

    def entry(self, digest: Digest) -> bytes:
        """Fetch a sealed state entry; its digest is checked."""
        raise NotImplementedError(digest)

    def log_file(self, path: str) -> bytes:
        """Fetch a file of the broker's log, for example ``checkpoint``."""
        raise NotImplementedError(path)

    def close(self) -> None:
        """Close the connection."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()
