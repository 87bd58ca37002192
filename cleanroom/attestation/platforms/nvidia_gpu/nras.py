# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's remote service: a detached token, one for all and one a device.

Source: NVIDIA, "Attestation claims", detached EAT (RFC 9711 section 4.2.18.2).

``[["JWT", overall], {"GPU-0": token, ...}]``; the overall token holds the SHA-256 of
every device's token as text, so that none is left out, added or exchanged.

Optional: our own verification of the device's report says the same, and asks nobody.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, GpuTokenFacts
from cleanroom.attestation.platform import (
    Carried,
    Check,
    Claims,
    SelfReported,
)
from cleanroom.attestation.progress import held
from cleanroom.attestation.tokens.claims import (
    flag_claim,
    hex_claim,
    object_claim,
    require_issuer,
    require_times,
    text_claim,
)
from cleanroom.attestation.tokens.jws import parse_token, verified_claims
from cleanroom.attestation.tokens.keys import (
    SigningKey,
    only_key_set,
    signing_key,
)
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json

PLATFORM = "nras-eat"
ISSUER = "https://nras.attestation.nvidia.com"
NONCE = "eat_nonce"
WHAT = "nras token"
MAX_EAT_BYTES = 512 * 1024
MAX_DEVICES = 16

_DEVICE = re.compile(r"(GPU|SWITCH)-[0-9]{1,2}")
_NONCE_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachedToken:
    """A detached token's parts; unverified.

    Attributes:
        overall: The token over all devices.
        devices: Name to that device's token.
    """

    overall: str
    devices: Mapping[str, str]


def parse_detached(data: bytes) -> DetachedToken:
    """Read the two members of a detached token.

    Raises:
        MalformedError: Oversize, or of another structure.
    """
    value = parse_json(data, what=WHAT, limit=MAX_EAT_BYTES)
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - overall and devices
        raise _malformed("another structure, agreed a detached token of an overall one and devices")
    overall, devices = value
    if (
        not isinstance(overall, list)
        or len(overall) != 2  # noqa: PLR2004 - type and token
        or overall[0] != "JWT"
        or not isinstance(overall[1], str)
    ):
        raise _malformed("an overall token that is not a JWT")
    if not isinstance(devices, dict) or not 0 < len(devices) <= MAX_DEVICES:
        raise _malformed(f"not 1 to {MAX_DEVICES} devices")
    for name, token in devices.items():
        if not _DEVICE.fullmatch(name) or not isinstance(token, str):
            raise _malformed("a device that is not a GPU or a switch with a token")
    return DetachedToken(overall=overall[1], devices=devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class NrasVerifier:
    """Verify detached tokens of the services whose key sets a relying party vouches for.

    Attributes:
        key_sets: Empty believes nobody.
    """

    key_sets: tuple[TrustedKeySet, ...] = ()

    platform: ClassVar[str] = PLATFORM
    # A service's word keeps no memory from a host.
    confidential: ClassVar[bool] = False
    # The nonce that the devices answered.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({NONCE: Channel.GPU})
    nonce_place: ClassVar[str] = NONCE
    facts: ClassVar[tuple[type[Facts], ...]] = (GpuTokenFacts,)

    def trusting(self, *key_sets: TrustedKeySet) -> NrasVerifier:
        """Return a verifier that believes these key sets too."""
        return dataclasses.replace(self, key_sets=(*self.key_sets, *key_sets))

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine detached token says.

        Raises:
            MalformedError: 1. Not a detached token, or collateral other than a key set.
            IntegrityError: 2. and 3. A key set, key, algorithm or signature that does not
                hold. 4. A device's token that the overall one does not name.
            EvidenceRefusedError: 2. and 3. Out of its time, or another issuer. 5. Another
                nonce in one device's token. 6. The service found something wrong.
        """
        # 1. The list of devices is not signed; only the digests in step 4 make it count.
        detached = parse_detached(item.report)
        document = only_key_set(item.collateral, what=WHAT)
        held("form of the token")
        # 2. The overall token, by a key that somebody vouched for.
        signer, overall = self._verified(detached.overall, document, at=at)
        issued_at = require_times(overall, at=at, what=WHAT)
        held("overall token")
        # 3. Each device's token is signed by itself.
        devices = {
            name: self._verified(token, document, at=at)[1]
            for name, token in sorted(detached.devices.items())
        }
        # 4. A genuine token of another machine's GPU would fit in otherwise.
        _require_named(overall, detached)
        held("tokens of the devices")
        # 5. The service's own word that the nonce matched is not asked for.
        nonce = hex_claim(overall, NONCE, size=_NONCE_BYTES, what=WHAT)
        for claims in devices.values():
            _require_nonce(claims, nonce)
        # 6. A token is signed whatever its verdict.
        debug = [_require_success(claims) for claims in devices.values()]
        if not flag_claim(overall, "x-nvidia-overall-att-result", what=WHAT):
            raise _failed("overall result false")
        return Claims(
            platform=PLATFORM,
            confidential=False,
            runner=SelfReported(),
            carried=(Carried(place=NONCE, channel=Channel.GPU, found=nonce),),
            debug=any(debug),
            issued_at=issued_at,
            facts=(_facts(devices),),
            collateral=(signer.collateral,),
            checks=(
                Check(name="signature", found=f"by a key vouched for, of {signer.issuer}"),
                Check(name="devices", found=", ".join(devices)),
                Check(name="result", found="every device as published"),
            ),
            details={"issuer": signer.issuer, "devices": ", ".join(devices)},
        )

    def _verified(
        self, text: str, document: bytes, *, at: dt.datetime
    ) -> tuple[SigningKey, Mapping[str, Any]]:
        token = parse_token(text.encode("utf-8"), what=WHAT)
        signer = signing_key(token, document=document, trusted=self.key_sets, at=at, what=WHAT)
        claims = verified_claims(token, key=signer.key, what=WHAT)
        require_issuer(claims, issuer=signer.issuer, what=WHAT)
        require_times(claims, at=at, what=WHAT)
        return signer, claims


def _require_named(overall: Mapping[str, Any], detached: DetachedToken) -> None:
    named = object_claim(overall, "submods", what=WHAT)
    expected = {
        name: ["DIGEST", ["SHA-256", hashlib.sha256(token.encode("utf-8")).hexdigest()]]
        for name, token in detached.devices.items()
    }
    if named != expected:
        raise IntegrityError(
            f"{WHAT}: the devices' tokens are not those that the overall token names,"
            " agreed just those",
            code="nras.devices",
        )


def _require_nonce(claims: Mapping[str, Any], nonce: bytes) -> None:
    if not hmac.compare_digest(hex_claim(claims, NONCE, size=_NONCE_BYTES, what=WHAT), nonce):
        raise EvidenceRefusedError(
            f"{WHAT}: a device answered another nonce than the overall token names,"
            " agreed that one",
            code="nras.nonce",
        )


def _require_success(claims: Mapping[str, Any]) -> bool:
    """Refuse a device whose measurements failed; return whether it may be debugged."""
    result = text_claim(claims, "measres", what=WHAT)
    if result != "success":
        raise _failed(f"measurements {result[:32]}")
    return text_claim(claims, "dbgstat", what=WHAT) != "disabled"


def _facts(devices: Mapping[str, Mapping[str, Any]]) -> GpuTokenFacts:
    """Describe the devices; of several, each value once, so that mixed ones match no clause."""

    def each(names: Mapping[str, str]) -> str:
        values = (
            text_claim(claims, names[name.partition("-")[0]], what=WHAT).lower()
            for name, claims in devices.items()
        )
        return ", ".join(dict.fromkeys(values))

    drivers = {name: claims for name, claims in devices.items() if name.startswith("GPU")}
    return GpuTokenFacts(
        device=each(dict.fromkeys(("GPU", "SWITCH"), "ueid")),
        model=each(dict.fromkeys(("GPU", "SWITCH"), "hwmodel")),
        driver=", ".join(
            dict.fromkeys(
                text_claim(claims, "x-nvidia-gpu-driver-version", what=WHAT).lower()
                for claims in drivers.values()
            )
        ),
        vbios=each({"GPU": "x-nvidia-gpu-vbios-version", "SWITCH": "x-nvidia-switch-bios-version"}),
        secure_boot=min(flag_claim(claims, "secboot", what=WHAT) for claims in devices.values()),
    )


def _failed(found: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(f"{WHAT}: found {found}, agreed success", code="nras.result")


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{WHAT}: found {found}", code="nras.malformed")
