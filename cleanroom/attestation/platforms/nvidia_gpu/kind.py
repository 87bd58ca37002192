# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's kinds for the command line: GPUs, switches, and tokens of the remote service."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.nvidia_gpu import nras
from cleanroom.attestation.platforms.nvidia_gpu.intake import (
    make_item,
    recognises,
    requests_for,
)
from cleanroom.attestation.platforms.nvidia_gpu.manifest_alone import (
    ManifestVerifier,
    manifest_item,
    nothing_to_fetch,
    recognises_manifest,
)
from cleanroom.attestation.platforms.nvidia_gpu.root import (
    DEVICE_ROOT,
    GPU,
    RIM_ROOT,
    SWITCH,
)
from cleanroom.attestation.platforms.nvidia_gpu.verify import NvidiaVerifier
from cleanroom.attestation.tokens.intake import token_item
from cleanroom.attestation.tokens.keys import KEY_SET

_NOT_PROVEN = (
    "That the device sits in the machine that shows its report: only the nonce ties them.",
    "Any firmware, unless reference manifests are given and compared.",
    "That certificates are still good, unless OCSP answers are given.",
)

GPU_ABOUT = About(
    title="NVIDIA GPU attestation report (SPDM measurements)",
    proves=(
        "A genuine NVIDIA GPU answered this nonce.",
        "With manifests: its driver and VBIOS measure what NVIDIA published for their versions.",
    ),
    does_not_prove=_NOT_PROVEN,
    example="nvattest collect-evidence --device gpu --nonce $NONCE > evidence.json",
)
SWITCH_ABOUT = About(
    title="NVIDIA NVSwitch attestation report (SPDM measurements)",
    proves=(
        "A genuine NVIDIA switch answered this nonce.",
        "With a manifest: its firmware measures what NVIDIA published for its version.",
    ),
    does_not_prove=_NOT_PROVEN,
    example="nvattest collect-evidence --device nvswitch --nonce $NONCE > evidence.json",
)
MANIFEST_ABOUT = About(
    title="NVIDIA reference manifest (RIM)",
    proves=("NVIDIA published these measurements for this chip and version.",),
    does_not_prove=(
        "Anything about a device: its report is compared when the manifest is given beside it.",
        "That the manifest's signers were not revoked since.",
    ),
    example="cleanroom attest fetch report.bin --cache DIR",
)
TOKEN_ABOUT = About(
    title="detached token of NVIDIA's remote attestation service",
    proves=(
        "A service that somebody vouched for says that these devices answered this nonce.",
        "That service found their measurements as published.",
    ),
    does_not_prove=(
        "Anything beyond the service's word: the devices' own reports are not in the token.",
        "Which key set is the service's: whoever fetched it vouches for that.",
        "That the devices sit in the machine that shows the token.",
    ),
    example="nvattest attest --device gpu --verifier remote --nonce $NONCE",
)


def recognises_token(data: bytes) -> bool:
    """Tell whether bytes begin like a detached token; decides nothing."""
    return b"".join(data[:64].split()).startswith(b'[["JWT","eyJ')


def token_intake(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a detached token and of the service's key set.

    Raises:
        MalformedError: More than one further file.
    """
    return token_item(nras.PLATFORM, report, files)


def token_requests(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask NVIDIA's service for its keys, at the address that is known."""
    del item
    return (
        CollateralRequest(
            name=KEY_SET,
            url=f"{nras.ISSUER}/.well-known/jwks.json",
            method="GET",
            headers={},
            body=b"",
        ),
    )


def _device_kind(name: str, about: About) -> Kind:
    return Kind(
        verifier=NvidiaVerifier(kind=name, device_root=DEVICE_ROOT, rim_root=RIM_ROOT),
        about=about,
        recognises=partial(recognises, name),
        intake=partial(make_item, name),
        collateral_requests=requests_for,
    )


KINDS: tuple[Kind, ...] = (_device_kind(GPU, GPU_ABOUT), _device_kind(SWITCH, SWITCH_ABOUT))
FOREIGN: tuple[Kind, ...] = (
    Kind(
        verifier=nras.NrasVerifier(),
        about=TOKEN_ABOUT,
        recognises=recognises_token,
        intake=token_intake,
        collateral_requests=token_requests,
    ),
    Kind(
        verifier=ManifestVerifier(root=RIM_ROOT),
        about=MANIFEST_ABOUT,
        recognises=recognises_manifest,
        intake=manifest_item,
        collateral_requests=nothing_to_fetch,
    ),
)
