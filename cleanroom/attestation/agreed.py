# SPDX-License-Identifier: Apache-2.0
"""Compare one fact with one term of the contract; each refusal names both.

Registers and versions of machines are no data of any owner, so messages quote them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from cleanroom.contract.attestation_terms import Allowed, Demand, Required, Unrestricted
from cleanroom.errors import EvidenceRefusedError

_HINT = "the parties agree to another machine by signing a new contract"
_Value = TypeVar("_Value", bytes, str, int)


def refused(subject: str, *, found: str, agreed: str) -> EvidenceRefusedError:
    """Compose the refusal of one fact; its code follows from the subject."""
    code = "attestation." + subject.replace(" ", "-").replace(":", "")
    return EvidenceRefusedError(f"{subject}: found {found}, agreed {agreed}", code=code, hint=_HINT)


def require_in(subject: str, found: _Value, allowed: Allowed[_Value]) -> None:
    """Refuse a value that is not listed; an empty list accepts nothing.

    Raises:
        EvidenceRefusedError: Not listed, and not every value is accepted.
    """
    if isinstance(allowed, Unrestricted) or found in allowed:
        return
    listed = ", ".join(text(value) for value in sorted(allowed)) or "none"
    raise refused(subject, found=text(found), agreed=listed)


def require_demand(subject: str, demand: Demand, *, holds: bool, found: str) -> None:
    """Refuse evidence without a property, unless all parties waived it.

    Raises:
        EvidenceRefusedError: The property is demanded and does not hold.
    """
    if isinstance(demand, Required) and not holds:
        raise refused(subject, found=found, agreed="required")


def require_subset(subject: str, found: Collection[str], allowed: Allowed[str]) -> None:
    """Refuse a set with a member that is not listed.

    Raises:
        EvidenceRefusedError: One of them is not listed, and not every value is accepted.
    """
    for value in sorted(found):
        require_in(subject, value, allowed)


def text(value: bytes | str | int) -> str:
    """Write a register as lower-case hexadecimal, anything else as it is."""
    return value.hex() if isinstance(value, bytes) else str(value)
