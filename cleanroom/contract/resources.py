# SPDX-License-Identifier: Apache-2.0
"""What one run may spend: the query says what it needs, the contract what anything may.

The stricter of both holds, clause by clause, so a contract never gives a query more than
its approvers read. Exceeding one ends the run in an error of its own.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic import Field

from cleanroom.kernel.record import dataclass
from cleanroom.kernel.wire_model import WireModel

MAX_MEMORY_MIB = 1_048_576
MAX_RUN_SECONDS = 86_400
MAX_PROCESSOR_SECONDS = 1024 * MAX_RUN_SECONDS
# A process needs a few seconds to load its libraries.
MIN_PROCESSOR_SECONDS = 10
MAX_RESULT_ROWS = 1_000_000
MAX_RESULT_MIB = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the runner may spend on one run; more is a refusal, never a slower answer.

    Attributes:
        memory_mib: Memory of each process.
        seconds: Wall time of the run.
        rows: Rows of the result.
        processor_seconds: Processor time of each process, its start included.
        result_mib: Size of the result, and of what analysts' code may hand over at once.
    """

    memory_mib: int
    seconds: int
    rows: int
    processor_seconds: int = MAX_PROCESSOR_SECONDS
    result_mib: int = MAX_RESULT_MIB

    def within(self, agreed: Resources) -> Resources:
        """Return the stricter of both, clause by clause."""
        mine, others = resource_clauses(self), resource_clauses(agreed)
        return Resources(**{name: min(most, others[name]) for name, most in mine.items()})


# What a contract without the clause allows: whatever its queries say.
AS_QUERIED = Resources(memory_mib=MAX_MEMORY_MIB, seconds=MAX_RUN_SECONDS, rows=MAX_RESULT_ROWS)

# Of a query: those that it may leave out.
OPTIONAL_CLAUSES = ("processor_seconds", "result_mib")

_Memory = Annotated[int, Field(ge=16, le=MAX_MEMORY_MIB)]
_Seconds = Annotated[int, Field(ge=1, le=MAX_RUN_SECONDS)]
_Rows = Annotated[int, Field(ge=1, le=MAX_RESULT_ROWS)]
_Processor = Annotated[int, Field(ge=MIN_PROCESSOR_SECONDS, le=MAX_PROCESSOR_SECONDS)]
_Size = Annotated[int, Field(ge=1, le=MAX_RESULT_MIB)]


class ResourcesWire(WireModel):
    """What one run of a query may spend."""

    memory_mib: _Memory
    seconds: _Seconds
    rows: _Rows
    processor_seconds: _Processor = MAX_PROCESSOR_SECONDS
    result_mib: _Size = MAX_RESULT_MIB


class AgreedResourcesWire(WireModel):
    """What any run under a contract may spend; whoever writes the clause says all of it."""

    memory_mib: _Memory
    seconds: _Seconds
    rows: _Rows
    processor_seconds: _Processor
    result_mib: _Size


def read_resources(wire: ResourcesWire | AgreedResourcesWire) -> Resources:
    """Turn the ``[resources]`` table into terms."""
    return Resources(
        memory_mib=wire.memory_mib,
        seconds=wire.seconds,
        rows=wire.rows,
        processor_seconds=wire.processor_seconds,
        result_mib=wire.result_mib,
    )


def resource_clauses(resources: Resources) -> dict[str, int]:
    """List the clauses by name."""
    return {
        clause.name: getattr(resources, clause.name) for clause in dataclasses.fields(resources)
    }


def describe_resources(resources: Resources) -> str:
    """Say in plain words what may be spent."""
    return (
        f"{resources.memory_mib} MiB and {_processor(resources)} in each process, "
        f"{resources.seconds} seconds in all, and return {resources.rows} rows and "
        f"{resources.result_mib} MiB"
    )


def _processor(resources: Resources) -> str:
    if resources.processor_seconds == MAX_PROCESSOR_SECONDS:
        return "the processor time of its seconds"
    return f"{resources.processor_seconds} seconds of processor time"
