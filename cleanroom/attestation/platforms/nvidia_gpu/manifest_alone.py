# SPDX-License-Identifier: Apache-2.0
"""A reference manifest by itself: is it NVIDIA's, and which measurements does it publish?

Evidence is compared with manifests in :mod:`cleanroom.attestation.platforms.nvidia_gpu.verify`.
Whoever lists one in a contract first wants to know whether it is a genuine one, before
there is any device to compare; a manifest says nothing of any machine.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.certificates import is_one_of
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts
from cleanroom.attestation.platform import (
    Check,
    Claims,
    CollateralFact,
    SelfReported,
    Undated,
)
from cleanroom.attestation.platforms.nvidia_gpu.intake import manifest_in
from cleanroom.attestation.platforms.nvidia_gpu.manifest import (
    Manifest,
    signers_of,
    verify_manifest,
)
from cleanroom.attestation.platforms.nvidia_gpu.root import RIM_ROOT
from cleanroom.attestation.progress import held
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

PLATFORM = "nvidia-rim"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestVerifier:
    """Verify manifests for strangers; no contract accepts one instead of a device.

    Attributes:
        root: Pin of the root that vouches for reference manifests.
    """

    root: Digest

    platform: ClassVar[str] = PLATFORM
    # A document protects nothing.
    confidential: ClassVar[bool] = False
    # Nothing that a guest fills in.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({})
    nonce_place: ClassVar[str] = ""
    facts: ClassVar[tuple[type[Facts], ...]] = ()

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine manifest publishes; see :func:`verify_manifest` for the steps.

        Raises:
            MalformedError: Not a manifest, or collateral beside it.
            IntegrityError: Another root, or a signature or digest that does not match.
            EvidenceRefusedError: A certificate out of its time.
        """
        if item.collateral:
            raise MalformedError(
                f"{PLATFORM} collateral: found some, agreed none; the root is pinned",
                code="nvidia.collateral",
            )
        signers_of(item.report)
        held("form of the manifest")
        manifest = verify_manifest(item.report, root=self.root, at=at)
        held("manifest: signed below the pinned root, in its time")
        return _claims_of(manifest)


def manifest_item(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a manifest as XML, as base64 text, or as the RIM service answers.

    Raises:
        MalformedError: Another file, or one beside it that is not the pinned root.
    """
    if any(not is_one_of(file, frozenset({RIM_ROOT})) for file in files):
        raise MalformedError(
            f"{PLATFORM} collateral: found some, agreed none; the root is pinned",
            code="nvidia.collateral",
        )
    return EvidenceItem(platform=PLATFORM, report=manifest_in(report), collateral={})


def recognises_manifest(data: bytes) -> bool:
    """Tell whether bytes look like a manifest; decides nothing."""
    text = data.lstrip()
    return text.startswith(b"<") and b"SoftwareIdentity" in text[:1024]


def nothing_to_fetch(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask for nothing: a manifest brings its certificates."""
    del item
    return ()


def _claims_of(manifest: Manifest) -> Claims:
    fact = CollateralFact(
        name="manifest",
        digest=manifest.digest,
        issued_at=max(each.not_valid_before_utc for each in manifest.chain),
        expires_at=min(each.not_valid_after_utc for each in manifest.chain),
    )
    return Claims(
        platform=PLATFORM,
        confidential=False,
        runner=SelfReported(),
        carried=(),
        debug=False,
        issued_at=Undated(),
        facts=(),
        collateral=(fact,),
        checks=(
            Check(name="chain", found="to NVIDIA's pinned manifest root"),
            Check(name="signature", found="over the whole document"),
            Check(
                name="manifest",
                found=f"{manifest.product} {manifest.version}, {len(manifest.active)} measurements",
            ),
        ),
        details={
            "chip": manifest.product,
            "version": manifest.version,
            "measurements": str(len(manifest.active)),
        },
    )
