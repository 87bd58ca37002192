# SPDX-License-Identifier: Apache-2.0
"""Open what a query reads, so that the child which reads it need not open anything.

The child sees no directory of the room: it inherits one read-only descriptor for
each sealed part that the signed dataset documents list, and that is all.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cleanroom.contract.dataset import Dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.vault.stream import open_part


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryInputs:
    """Everything of the file system that one query may touch.

    Attributes:
        parts: Descriptors of the sealed parts of each lineage, in the order of its document.
    """

    parts: Mapping[str, tuple[int, ...]]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Everything that the child inherits."""
        return tuple(descriptor for parts in self.parts.values() for descriptor in parts)


@contextmanager
def open_inputs(datasets: Sequence[Dataset], *, room: RoomDirectory) -> Iterator[QueryInputs]:
    """Open the sealed parts of some datasets, and close them with the block.

    Raises:
        UnavailableError: A part is absent or cannot be read; names it.
    """
    _allow_descriptors()
    with ExitStack() as opened:
        parts = {
            dataset.lineage: tuple(_open(dataset, room=room, opened=opened)) for dataset in datasets
        }
        yield QueryInputs(parts=parts)


def _open(dataset: Dataset, *, room: RoomDirectory, opened: ExitStack) -> Iterator[int]:
    place = room.path.resolve() / "datasets" / dataset.lineage
    for part in dataset.parts:
        descriptor = open_part(place / part.file, what=f"{dataset.lineage} {part.file}")
        opened.callback(os.close, descriptor)
        yield descriptor


def _allow_descriptors() -> None:
    # A dataset may have thousands of parts; the usual soft limit is 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
