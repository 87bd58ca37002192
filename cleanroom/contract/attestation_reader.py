# SPDX-License-Identifier: Apache-2.0
"""Convert the values of ``[attestation]``, and say where one is wrong."""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.contract.attestation_terms import (
    Allowed,
    Demand,
    Required,
    Unrestricted,
    Waived,
)
from cleanroom.contract.attestation_wire import WAIVED
from cleanroom.contract.wire import malformed, unique
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest


class Reader:
    """Convert values of one document, and say where one is wrong."""

    def __init__(self, what: str) -> None:
        """Read a document; ``what`` names it in messages."""
        self._what = what

    def problem(self, clause: str, *, found: str, agreed: str, code: str) -> MalformedError:
        """Compose the refusal of one clause."""
        return malformed(
            self._what, f"attestation.{clause}", found=found, agreed=agreed, code=f"contract.{code}"
        )

    def names(self, values: Iterable[str], clause: str) -> frozenset[str]:
        """Read a list of texts without one that stands twice."""
        return unique(values, what=self._what, clause=f"attestation.{clause}", kind="contract")

    def digests(self, values: Iterable[str], clause: str) -> frozenset[Digest]:
        """Read a list of digests."""
        return frozenset(Digest.parse(text) for text in self.names(values, clause))

    def octets(self, values: Iterable[str], clause: str) -> frozenset[bytes]:
        """Read a list of registers."""
        return frozenset(bytes.fromhex(text) for text in self.names(values, clause))

    def allowed(self, values: list[str] | str, clause: str) -> Allowed[str]:
        """Read a list of texts, or any."""
        return Unrestricted() if isinstance(values, str) else self.names(values, clause)

    def allowed_octets(self, values: list[str] | str, clause: str) -> Allowed[bytes]:
        """Read a list of registers, or any."""
        return Unrestricted() if isinstance(values, str) else self.octets(values, clause)

    def allowed_digests(self, values: list[str] | str, clause: str) -> Allowed[Digest]:
        """Read a list of digests, or any."""
        return Unrestricted() if isinstance(values, str) else self.digests(values, clause)


def demand(text: str) -> Demand:
    """Read what is required, or waived with a reason."""
    return Waived(reason=text.removeprefix(WAIVED)) if text.startswith(WAIVED) else Required()
