# SPDX-License-Identifier: Apache-2.0
"""Open what a query reads, so that the child which reads it need not open anything.

The child sees no directory of the room: it inherits one read-only descriptor for
each sealed part that the signed dataset documents list, and that is all.
"""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cleanroom.contract.dataset import Dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.runner.child_job import NO_SPILL
from cleanroom.vault.stream import open_part

# Scratch space for each byte of memory: enough for a join of inputs many times larger.
SPILL_FACTOR = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryInputs:
    """Everything of the file system that one query may touch.

    Attributes:
        parts: Descriptors of the sealed parts of each lineage, in the order of its document.
        spill: An open file without a name for sealed intermediate rows, or ``NO_SPILL``.
        spill_bytes: Size to which it may grow.
    """

    parts: Mapping[str, tuple[int, ...]]
    spill: int
    spill_bytes: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Everything that the child inherits."""
        parts = tuple(descriptor for parts in self.parts.values() for descriptor in parts)
        return parts if self.spill == NO_SPILL else (*parts, self.spill)

    def renumbered(self, numbers: Mapping[int, int]) -> QueryInputs:
        """Return the same files under the numbers that they have in another process."""
        return QueryInputs(
            parts={
                name: tuple(numbers[part] for part in files) for name, files in self.parts.items()
            },
            spill=numbers.get(self.spill, NO_SPILL),
            spill_bytes=self.spill_bytes,
        )


# Of a child that computes with released values only: no data, no keys, no scratch space.
NO_INPUTS = QueryInputs(parts={}, spill=NO_SPILL, spill_bytes=0)


@contextmanager
def open_inputs(
    datasets: Sequence[Dataset], *, room: RoomDirectory, scratch: Path, memory_mib: int
) -> Iterator[QueryInputs]:
    """Open the sealed parts of some datasets, and close them with the block.

    Args:
        datasets: Whose parts to open.
        room: Where they lie.
        scratch: The one directory that may be written to; one that cannot is no
            error, but a query larger than its memory then ends.
        memory_mib: Memory of the query, which the size of scratch space follows.

    Raises:
        UnavailableError: A part is absent or cannot be read; names it.
    """
    _allow_descriptors()
    with ExitStack() as opened:
        parts = {
            dataset.lineage: tuple(_open(dataset, room=room, opened=opened)) for dataset in datasets
        }
        spill = _scratch_file(scratch, opened)
        most = 0 if spill == NO_SPILL else _spill_bytes(spill, memory_mib)
        yield QueryInputs(parts=parts, spill=spill, spill_bytes=most)


def _scratch_file(directory: Path, opened: ExitStack) -> int:
    # Without a name from the start: nobody finds it, and it ends with the run.
    try:
        file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 - closed by the stack
    except OSError:
        return NO_SPILL
    return opened.enter_context(file).fileno()


def _spill_bytes(descriptor: int, memory_mib: int) -> int:
    disk = os.fstatvfs(descriptor)
    free = disk.f_bavail * disk.f_frsize
    return min(memory_mib * MIB * SPILL_FACTOR, free // 2)


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
