# SPDX-License-Identifier: Apache-2.0
"""Fetch collateral into a directory, because an operator asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from cleanroom.attestation.collateral import (
    CollateralCache,
    CollateralRequest,
    Transport,
    with_issuer,
)
from cleanroom.attestation.completing import complete
from cleanroom.cli.attesting import Stranger
from cleanroom.cli.session import Session
from cleanroom.errors import UnavailableError
from cleanroom.kernel.limits import MAX_STRANGERS_BYTES
from cleanroom.kernel.plain_text import printable

TIMEOUT_SECONDS = 30


def fetch_collateral(
    session: Session,
    stranger: Stranger,
    *,
    cache: Path,
    dry_run: bool,
    transport: Transport | None = None,
) -> None:
    """Ask for everything that the evidence lacks, and print where it was put.

    Raises:
        UnavailableError: A service does not answer; what others answered is kept.
    """
    kept = CollateralCache(directory=cache)
    ask = ask_by_http if transport is None else transport
    rows: list[dict[str, str]] = []

    def answers(requests: Sequence[CollateralRequest]) -> Sequence[bytes]:
        rows.extend(
            {"name": each.name, "url": each.url, "file": kept.path_of(each).name}
            for each in requests
        )
        if not dry_run:
            for request in requests:
                kept.store(request, ask(request))
        # What a dry run finds from before still says what would be asked next.
        return kept.load(requests)

    complete(stranger.kind, stranger.item, answers)
    lines = [f"{row['name']}: {printable(row['url'])} -> {row['file']}" for row in rows]
    text = "\n".join(lines) or "nothing is missing"
    session.emit({"fetched": not dry_run, "collateral": rows}, text)


def ask_by_http(request: CollateralRequest) -> bytes:
    """Carry one request over HTTPS, or plainly to the machine's own metadata service.

    Raises:
        UnavailableError: No answer, one that is no success, or one that is too long.
    """
    import httpx2

    try:
        with httpx2.stream(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.body,
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
        ) as answer:
            if not answer.is_success:
                raise _unavailable(request, f"answered {answer.status_code}")
            data = b""
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > MAX_STRANGERS_BYTES:
                    raise _unavailable(request, "answered more than the limit")
            if not request.issuer_header:
                return data
            chain = unquote(answer.headers.get(request.issuer_header, ""), encoding="latin-1")
            return with_issuer(data, chain.encode("latin-1"))
    except httpx2.HTTPError as error:
        raise _unavailable(request, "did not answer") from error


def _unavailable(request: CollateralRequest, found: str) -> UnavailableError:
    return UnavailableError(
        f"collateral {request.name}: the service {found}",
        code="attestation.fetch",
        hint="try again later, or fetch it elsewhere and give it with --collateral",
    )
