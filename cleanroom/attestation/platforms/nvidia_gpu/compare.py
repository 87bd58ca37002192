# SPDX-License-Identifier: Apache-2.0
"""Does the device measure what its maker published for these versions?"""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.platforms.nvidia_gpu.manifest import Manifest
from cleanroom.attestation.platforms.nvidia_gpu.parse import GpuReport, video_decoder_off
from cleanroom.errors import EvidenceRefusedError

# SPDM index of the video decoder's firmware (index 35 of the manifest); it is loaded
# only when the decoder is on.
VIDEO_DECODER = 36


def require_same_version(manifest: Manifest, *, name: str, chip: str, version: str) -> None:
    """Refuse a manifest of another chip or version than the report's.

    Raises:
        EvidenceRefusedError: The manifest is genuine, and about something else.
    """
    # LS_10 in a switch's certificate is LS10 elsewhere.
    if _plain(manifest.product) != _plain(chip) or manifest.version != version:
        raise EvidenceRefusedError(
            f"nvidia {name}: found {manifest.product} {manifest.version},"
            f" agreed {chip} {version} as in the report",
            code="nvidia.manifest-version",
            hint="fetch the manifest of the version that the device reports",
        )


def _plain(chip: str) -> str:
    return chip.replace("_", "")


def require_published(report: GpuReport, manifests: Sequence[Manifest]) -> int:
    """Return how many measurements are as published; all that were, or none at all.

    Raises:
        EvidenceRefusedError: 1. Two manifests speak of one measurement. 2. A measurement
            is missing, or none of the published values.
    """
    published: dict[int, frozenset[bytes]] = {}
    for manifest in manifests:
        # 1. Whichever were read last would decide.
        both = sorted(published.keys() & manifest.active.keys())
        if both:
            raise EvidenceRefusedError(
                f"nvidia manifests: found measurement {both[0]} in both, agreed in one",
                code="nvidia.manifest-overlap",
            )
        published |= manifest.active
    if video_decoder_off(report):
        published.pop(VIDEO_DECODER, None)
    # 2. Full values; a device that leaves one out has it wrong.
    wrong = [
        index
        for index, values in sorted(published.items())
        if report.measurements.get(index) not in values
    ]
    if wrong:
        raise EvidenceRefusedError(
            f"nvidia measurements: found {', '.join(map(str, wrong))} other than published,"
            " agreed all as published",
            code="nvidia.measurement",
            hint="the device runs other firmware or another configuration than its maker published",
        )
    return len(published)
