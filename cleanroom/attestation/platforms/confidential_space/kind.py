# SPDX-License-Identifier: Apache-2.0
"""The ``gcp-cs-jwt`` kind for the command line: a stranger's files, and plain words."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.certificates import fingerprint, load_pem_certificates
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.confidential_space.root import PLATFORM, ROOT_PIN
from cleanroom.attestation.platforms.confidential_space.verify import ConfidentialSpaceVerifier
from cleanroom.attestation.tokens.intake import looks_like_token, token_item
from cleanroom.attestation.tokens.jws import parse_token
from cleanroom.attestation.tokens.keys import KEY_SET
from cleanroom.errors import MalformedError

# The address that Google's OpenID configuration of the issuer names.
KEY_SET_URL = (
    "https://www.googleapis.com/service_accounts/v1/metadata/jwk/"
    "signer@confidentialspace-sign.iam.gserviceaccount.com"
)

ABOUT = About(
    title="token of Google Confidential Space",
    proves=(
        "Google's service says that it verified a confidential VM with Google's hardened image.",
        "Which container image runs there, with which arguments, environment and overrides.",
        "That the workload asked for a token with these nonces.",
    ),
    does_not_prove=(
        "Anything beyond Google's word: the hardware's own report is not in the token.",
        "That memory cannot be altered from outside, on GCP_AMD_SEV: it is encrypted, no more.",
        "That the image alone decides what runs: arguments and environment do so too.",
        "That whoever shows the token is the workload: only a nonce that binds a key says that.",
    ),
    example="curl --unix-socket /run/container_launcher/teeserver.sock -d @request.json"
    " http://localhost/v1/token",
)


def recognises(data: bytes) -> bool:
    """Tell whether bytes are a token that mentions Confidential Space; decides nothing."""
    if not looks_like_token(data):
        return False
    try:
        token = parse_token(data, what="token")
    except MalformedError:
        return False
    return b"CONFIDENTIAL_SPACE" in token.payload


def intake(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a token, and of Google's key set for one of type OIDC.

    Raises:
        MalformedError: More than one further file beside the pinned root.
    """
    return token_item(PLATFORM, report, [file for file in files if not _is_pinned_root(file)])


def collateral_requests(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask for Google's keys, unless the token brings certificates below the pinned root."""
    if "x5c" in parse_token(item.report, what="confidential space token").header:
        return ()
    return (CollateralRequest(name=KEY_SET, url=KEY_SET_URL, method="GET", headers={}, body=b""),)


def _is_pinned_root(data: bytes) -> bool:
    if not data.startswith(b"-----BEGIN"):
        return False
    found = load_pem_certificates(data, what="confidential space root")
    return [fingerprint(certificate) for certificate in found] == [ROOT_PIN]


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=ConfidentialSpaceVerifier(root=ROOT_PIN),
        about=ABOUT,
        recognises=recognises,
        intake=intake,
        collateral_requests=collateral_requests,
    ),
)
