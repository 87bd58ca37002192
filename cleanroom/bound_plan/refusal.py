# SPDX-License-Identifier: Apache-2.0
"""Refuse a plan: our words only, because the engine quotes what it was given."""

from __future__ import annotations

from typing import NoReturn

from cleanroom.errors import AdmissionRefusedError


def refuse_plan(rule: str, found: str, *, agreed: str) -> NoReturn:
    """Refuse the statement that has this plan.

    Raises:
        AdmissionRefusedError: Always.
    """
    raise AdmissionRefusedError(
        f"plan: found {found}, agreed {agreed}",
        code=f"plan.{rule}",
        hint="this is a defect of the gate and not of the query; report it with the query",
    )


def require(holds: bool, rule: str, found: str, *, agreed: str) -> None:  # noqa: FBT001
    """Refuse unless a condition holds.

    Raises:
        AdmissionRefusedError: It does not.
    """
    if not holds:
        refuse_plan(rule, found, agreed=agreed)
