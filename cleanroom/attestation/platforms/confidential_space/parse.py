# SPDX-License-Identifier: Apache-2.0
"""The claims of a Confidential Space token, from verified JSON.

Source: Google Cloud, "Confidential Space: attestation assertions".

=============================================  ====================================
claim                                          meaning
=============================================  ====================================
aud, eat_nonce                                 as the workload asked; one or several
dbgstat                                        ``disabled-since-boot``
hwmodel, swname, secboot                       hardware, ``CONFIDENTIAL_SPACE``
submods.confidential_space.support_attributes  ``LATEST``, ``STABLE``, ``USABLE``
submods.container.image_digest                 the code
submods.container.args, .env                   what else decides what runs
submods.container.cmd_override, .env_override  what the operator changed of it
submods.gce.project_id                         whose machine
google_service_accounts                        whose identity it has
=============================================  ====================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cleanroom.attestation.facts import WorkloadFacts
from cleanroom.attestation.tokens.claims import flag_claim, object_claim, text_claim
from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

WHAT = "confidential space token"
MAX_VALUES = 256
_SOFTWARE = "CONFIDENTIAL_SPACE"
_DEBUG_OFF = "disabled-since-boot"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadClaims:
    """What a verified token says.

    Attributes:
        facts: For appraisal.
        debug: Anything but off since boot.
        nonces: What the workload asked for, in order.
    """

    facts: WorkloadFacts
    debug: bool
    nonces: tuple[str, ...]


def read_claims(claims: Mapping[str, Any], *, issuer: str) -> WorkloadClaims:
    """Read the claims of a token whose signature held.

    Raises:
        MalformedError: A claim is missing or of another form.
        EvidenceRefusedError: About other software than Confidential Space.
    """
    software = text_claim(claims, "swname", what=WHAT)
    if software != _SOFTWARE:
        raise EvidenceRefusedError(
            f"{WHAT} swname: found {software[:64]}, agreed {_SOFTWARE}", code="gcp.software"
        )
    modules = object_claim(claims, "submods", what=WHAT)
    container = object_claim(modules, "container", what=WHAT)
    space = object_claim(modules, "confidential_space", what=WHAT)
    facts = WorkloadFacts(
        issuer=issuer,
        audience=text_claim(claims, "aud", what=WHAT),
        hardware=text_claim(claims, "hwmodel", what=WHAT),
        software=software,
        # Absent on images that are not supported, which therefore match no clause.
        support=frozenset(_texts(space, "support_attributes")),
        image=Digest.parse(
            text_claim(container, "image_digest", what=WHAT), what=f"{WHAT} image_digest"
        ),
        arguments=_texts(container, "args"),
        environment=_pairs(container, "env"),
        overrides=(
            *_texts(container, "cmd_override"),
            *(
                f"{name}={value}"
                for name, value in sorted(_pairs(container, "env_override").items())
            ),
        ),
        secure_boot=flag_claim(claims, "secboot", what=WHAT),
        project=text_claim(object_claim(modules, "gce", what=WHAT), "project_id", what=WHAT),
        service_accounts=frozenset(_texts(claims, "google_service_accounts")),
    )
    return WorkloadClaims(
        facts=facts,
        debug=text_claim(claims, "dbgstat", what=WHAT) != _DEBUG_OFF,
        nonces=_nonces(claims),
    )


def _nonces(claims: Mapping[str, Any]) -> tuple[str, ...]:
    value = claims.get("eat_nonce")
    return (value,) if isinstance(value, str) else _texts(claims, "eat_nonce")


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    if (
        not isinstance(value, list)
        or len(value) > MAX_VALUES
        or not all(isinstance(item, str) for item in value)
    ):
        raise _malformed(name, "a list of texts")
    return tuple(value)


def _pairs(claims: Mapping[str, Any], name: str) -> dict[str, str]:
    value = claims.get(name, {})
    if (
        not isinstance(value, dict)
        or len(value) > MAX_VALUES
        or not all(isinstance(item, str) for item in value.values())
    ):
        raise _malformed(name, "an object of texts")
    return value


def _malformed(name: str, agreed: str) -> MalformedError:
    return MalformedError(f"{WHAT} claim {name}: agreed {agreed}", code="token.claim")
