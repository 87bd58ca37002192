# SPDX-License-Identifier: Apache-2.0
"""Tokens and key sets as strangers keep them in files."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.tokens.jws import MAX_TOKEN_BYTES
from cleanroom.attestation.tokens.keys import KEY_SET
from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_json import parse_json


def token_item(platform: str, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a token, bare or in a service's answer, and of at most one key set.

    Raises:
        MalformedError: More than one further file, or an answer without a token.
    """
    if len(files) > 1:
        raise MalformedError(
            f"{platform} collateral: found {len(files)} files, agreed at most the key set",
            code="token.collateral",
        )
    return EvidenceItem(
        platform=platform,
        report=bare_token(report, what=platform),
        collateral={KEY_SET: files[0]} if files else {},
    )


def bare_token(report: bytes, *, what: str) -> bytes:
    """Take a token out of the JSON object that a service answers with, or return it as it is.

    Raises:
        MalformedError: An object without a token.
    """
    text = report.strip()
    if not text.startswith(b"{"):
        return text
    members = parse_json(text, what=what, limit=2 * MAX_TOKEN_BYTES)
    token = members.get("token") if isinstance(members, dict) else None
    if not isinstance(token, str):
        raise MalformedError(
            f"{what}: found an object without a token, agreed a token", code="token.malformed"
        )
    return token.encode("utf-8")


def looks_like_token(data: bytes) -> bool:
    """Tell whether bytes begin like a token in compact form; decides nothing."""
    return data.lstrip().startswith(b"eyJ") and data.count(b".") == 2  # noqa: PLR2004 - three parts
