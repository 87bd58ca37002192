# SPDX-License-Identifier: Apache-2.0
"""What verifiers need beside evidence, and where an operator gets it.

Verification never fetches. A platform says which documents it would need, the
operator's fetch command asks for them through a transport that is an argument,
and a directory keeps the answers, so that everybody verifies offline and alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralRequest:
    """One document that a vendor's service hands out.

    Attributes:
        name: The collateral item that it becomes, for example ``vcek``.
        url: Where it is.
        method: ``GET`` or ``POST``.
        headers: Headers that the service wants.
        body: Body of a ``POST``.
    """

    name: str
    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Carry one request and return the body of a successful answer."""

    def __call__(self, request: CollateralRequest) -> bytes:
        """Ask.

        Raises:
            UnavailableError: No answer, or one that is no success.
        """
