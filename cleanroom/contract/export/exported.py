# SPDX-License-Identifier: Apache-2.0
"""One exported policy, and what of the contract it leaves out."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from cleanroom.contract.attestation_plain import describe_profile
from cleanroom.contract.attestation_terms import AttestationProfile, Clause
from cleanroom.errors import RefusedError
from cleanroom.kernel.record import dataclass

_Clause = TypeVar("_Clause", bound=Clause)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A policy for another key service.

    Attributes:
        text: The policy in the target's own language.
        left_out: Terms of the profile, by place, that the target cannot express.
    """

    text: str
    left_out: tuple[str, ...]


def exported(text: str, *, profile: AttestationProfile, expressed: Collection[str]) -> Exported:
    """Bind a policy to the list of what it leaves out.

    A term that accepts any value or is waived demands nothing, so it is never left out.
    """
    terms = describe_profile(profile)
    return Exported(
        text=text,
        left_out=tuple(
            place
            for place, value in terms.items()
            if place not in expressed and value != "any" and not value.startswith("waived: ")
        ),
    )


def require_platform(profile: AttestationProfile, wanted: Collection[str], *, target: str) -> str:
    """Return the one platform of a profile that a target can judge.

    Raises:
        RefusedError: None of them, or several: the target would accept the weakest.
    """
    if len(profile.platforms) != 1 or not profile.platforms <= set(wanted):
        named = ", ".join(sorted(profile.platforms)) or "none"
        raise RefusedError(
            f"{target}: found the platforms {named}, agreed exactly one of"
            f" {', '.join(sorted(wanted))}",
            code="export.platform",
            hint="export a profile that names one platform that this service can judge",
        )
    return next(iter(profile.platforms))


def clause_of(profile: AttestationProfile, kind: type[_Clause]) -> _Clause:
    """Return the clause that a parsed profile has for its platform."""
    return next(clause for clause in profile.clauses if isinstance(clause, kind))


def require_listed(values: Collection[object], place: str) -> None:
    """Refuse an empty list: in most languages it would come out as no condition at all.

    Raises:
        RefusedError: The list is empty, so the contract accepts nothing.
    """
    if not values:
        raise RefusedError(
            f"{place}: found an empty list, which accepts nothing, agreed something to accept",
            code="export.empty",
            hint="fill the list before exporting",
        )
