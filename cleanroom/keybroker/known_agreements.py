# SPDX-License-Identifier: Apache-2.0
"""Agreements that this broker has verified before: the same bytes under the same pins.

:func:`~cleanroom.contract.agreement.agree` looks at no clock and no memory, so what
it proved stays proven for exactly these bytes, signatures and pins, and for no
others. Everything that can change is judged anew for each request: whether the
contract is in force, replaced or stopped, who took back a key, what is left.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import TypeAlias

from cleanroom.contract.agreement import Agreement, agree
from cleanroom.contract.bundle import ContractBundle
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.identity.pins import Pins
from cleanroom.kernel.limits import MIB

MAX_AGREEMENTS = 32
MAX_BYTES = MIB // 2  # of one agreement's documents; larger ones are verified each time

Tree: TypeAlias = "bytes | tuple[Tree, ...]"


class KnownAgreements:
    """The agreements verified last; the least recently used go first."""

    def __init__(self, *, most: int = MAX_AGREEMENTS, largest: int = MAX_BYTES) -> None:
        """Begin without any.

        Args:
            most: How many are kept.
            largest: Bytes of documents above which one is not kept.
        """
        self._most = most
        self._largest = largest
        self._known: OrderedDict[Tree, Agreement] = OrderedDict()
        self._turn = Lock()

    def agree(self, bundle: ContractBundle, *, pins: Pins) -> Agreement:
        """Return the agreement that these documents prove to whoever pinned these parties.

        Raises:
            CleanroomError: As :func:`cleanroom.contract.agreement.agree`; a failure is not kept.
        """
        # Compared whole: what differs in one byte, name or place is another agreement.
        whole = _tree(bundle, pins)
        with self._turn:
            known = self._known.get(whole)
            if known is not None:
                self._known.move_to_end(whole)
                return known
        agreement = agree(bundle, trust=pins)
        if _size(whole) <= self._largest:
            with self._turn:
                self._known[whole] = agreement
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
        return agreement


def _tree(bundle: ContractBundle, pins: Pins) -> Tree:
    """Lay out everything that ``agree`` looks at."""
    return (
        _file(bundle.contract),
        _files(bundle.parties),
        _files(bundle.datasets),
        _files(bundle.policies),
        # All pins, not only those of the parties: nothing has to be argued about the others.
        tuple((name.encode(), item.raw) for name, item in sorted(pins.documents.items())),
    )


def _file(file: SignedFile) -> Tree:
    signatures = sorted(file.signatures.items())
    return file.data, tuple((name.encode(), armored) for name, armored in signatures)


def _files(files: Mapping[str, SignedFile]) -> Tree:
    return tuple((name.encode(), _file(file)) for name, file in sorted(files.items()))


def _size(tree: Tree) -> int:
    return len(tree) if isinstance(tree, bytes) else sum(map(_size, tree))
