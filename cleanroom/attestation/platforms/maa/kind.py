# SPDX-License-Identifier: Apache-2.0
"""The ``maa-jwt`` kind for the command line: a stranger's files, and plain words."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.maa.collect import key_set_request
from cleanroom.attestation.platforms.maa.root import ISSUER, PLATFORM
from cleanroom.attestation.platforms.maa.verify import MaaVerifier
from cleanroom.attestation.tokens.intake import looks_like_token, token_item
from cleanroom.attestation.tokens.jws import MAX_TOKEN_BYTES, parse_token
from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_json import parse_json

ABOUT = About(
    title="token of Microsoft Azure Attestation about an SEV-SNP or TDX machine",
    proves=(
        "A service that somebody vouched for says that it verified a machine's evidence.",
        "Which launch measurement, signing identity and versions that service saw.",
    ),
    does_not_prove=(
        "Anything beyond the service's word: the hardware's own report is not in the token.",
        "Which code a VM runs, if it is guest attestation: the hardware measured firmware alone.",
        "Which key set is the service's: whoever fetched it vouches for that.",
        "That the machine is in that state now: a token counts for hours.",
    ),
    example="curl -X POST $MAA/attest/SevSnpVm?api-version=2022-08-01 -d @request.json",
)


def recognises(data: bytes) -> bool:
    """Tell whether bytes are a token whose claims name the service; decides nothing."""
    return looks_like_token(data) and bool(_stated_issuer(data))


def intake(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a token and of its issuer's key set.

    Raises:
        MalformedError: More than one further file.
    """
    return token_item(PLATFORM, report, files)


def collateral_requests(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask the issuer that the token states for its keys, if its address has the service's form."""
    issuer = _stated_issuer(item.report)
    return (key_set_request(issuer),) if issuer else ()


def _stated_issuer(data: bytes) -> str:
    try:
        token = parse_token(data, what="maa token")
        claims = parse_json(token.payload, what="maa token", limit=MAX_TOKEN_BYTES)
    except MalformedError:
        return ""
    stated = claims.get("iss") if isinstance(claims, dict) else None
    return stated if isinstance(stated, str) and ISSUER.fullmatch(stated) else ""


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=MaaVerifier(),
        about=ABOUT,
        recognises=recognises,
        intake=intake,
        collateral_requests=collateral_requests,
    ),
)
