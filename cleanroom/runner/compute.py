# SPDX-License-Identifier: Apache-2.0
"""Run one generated statement in a confined child and take back rows, capped in every way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from cleanroom.contract.resources import MAX_MEMORY_MIB, MAX_PROCESSOR_SECONDS, Resources
from cleanroom.errors import (
    DisclosureRefusedError,
    IntegrityError,
    MalformedError,
    QueryFailedError,
    from_wire,
)
from cleanroom.kernel.limits import MAX_CHILD_OUTPUT_BYTES, MIB
from cleanroom.kernel.strict_json import parse_json
from cleanroom.runner.cells import Value, read_value
from cleanroom.runner.child_job import ChildJob
from cleanroom.runner.inputs import NO_INPUTS, SPILL_FACTOR, QueryInputs
from cleanroom.runner.sandbox.handover import FIRST_GIVEN, given_numbers
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.process import (
    START_SECONDS,
    ConfinedChild,
    confined_child,
    waiting_child,
)

CHILD = "cleanroom.runner.query_process"
# What interpreter, engine and answer need beside the engine's own memory.
BASE_MEMORY_BYTES = 768 * MIB
# Each thread of the engine has a stack and buffers of its own.
THREAD_MEMORY_BYTES = 32 * MIB
OWN_DESCRIPTORS = 64
OWN_TASKS = 64
# As many as any host lets a process have; a dataset has thousands of parts.
MAX_DESCRIPTORS = 1 << 20


class QueryChild:
    """A query child that waits for its one job; :func:`query_child` starts it.

    Attributes:
        inputs: The open files that it inherited.
    """

    def __init__(self, child: ConfinedChild, inputs: QueryInputs) -> None:
        """Take a started process."""
        self._child = child
        self.inputs = inputs

    def run(
        self, job: ChildJob, *, before: bytes = b"", meanwhile: Callable[[], object] = tuple
    ) -> list[tuple[Value, ...]]:
        """Run the job and return its rows.

        Args:
            job: What to do.
            before: What this kind of child reads in front of its job.
            meanwhile: Called once the child has its job, to use the time that it needs.

        Raises:
            IntegrityError: A sealed part is not what the dataset document lists.
            QueryFailedError: Memory, time, rows, or a failure whose reason stays inside.
            DisclosureRefusedError: The data do not hold what their policy declares.
        """
        # The job holds keys: nobody gets it before every layer is on.
        self._child.require_ready()
        answer = self._child.exchange(
            before + job.encode(),
            seconds=job.seconds + START_SECONDS,
            most=MAX_CHILD_OUTPUT_BYTES,
            meanwhile=meanwhile,
        )
        value = parse_json(answer, what="query child", limit=MAX_CHILD_OUTPUT_BYTES)
        if "error" in value:
            raise _revived(value["error"])
        if "broken" in value:
            # A refusal that depends on data: it names what was declared, and no value or count.
            raise DisclosureRefusedError(
                job.facts[value["broken"]].sentence,
                code="disclosure.declared",
                hint="its owner must mend the data, or the policy that the others agree to",
            )
        return [tuple(read_value(item) for item in row) for row in value["rows"]]


@contextlib.contextmanager
def query_child(
    inputs: QueryInputs,
    *,
    confinement: Confinement,
    resources: Resources,
    module: str,
    descriptors: tuple[int, ...] = (),
) -> Iterator[QueryChild]:
    """Start a query child of an analysis, which inherits what it works on, for the block.

    It gets its job and the keys over its standard input when there are any.
    """
    with confined_child(
        module,
        confinement=confinement,
        limits=query_limits(resources, inputs=inputs),
        descriptors=(*inputs.descriptors, *descriptors),
    ) as child:
        yield QueryChild(child, inputs)


class ReadyChild:
    """A query child that loads before there is a query; :func:`ready_child` starts it.

    It holds nothing, knows nothing, and is fit for whatever is confined as it is.

    Attributes:
        confinement: How it is confined.
    """

    def __init__(self, child: ConfinedChild, confinement: Confinement) -> None:
        """Take a started process."""
        self._child = child
        self.confinement = confinement

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return self._child.is_alive

    def serve(self, inputs: QueryInputs, *, resources: Resources) -> QueryChild:
        """Give it what one query may use and read, once."""
        given = inputs.descriptors
        self._child.give(limits=query_limits(resources, inputs=inputs), descriptors=given)
        return QueryChild(self._child, inputs.renumbered(given_numbers(given)))

    def end(self) -> None:
        """Kill it, if it still runs."""
        self._child.end()


@contextlib.contextmanager
def ready_child(confinement: Confinement) -> Iterator[ReadyChild]:
    """Start a query child that waits for its query, and end it with the block."""
    child = ReadyChild(
        waiting_child(CHILD, confinement=confinement, limits=_widest_limits()), confinement
    )
    try:
        yield child
    finally:
        child.end()


class QueryChildren:
    """Query children for every statement of a run; :func:`query_children` starts them."""

    def __init__(
        self,
        start: Callable[[QueryInputs], QueryChild],
        inputs: QueryInputs,
        *,
        first: QueryChild,
    ) -> None:
        """Take the first child, which loads its engine while keys are asked for."""
        self._start = start
        self._waiting = [first]
        self._after: list[QueryChild] = []
        self.inputs = inputs

    def prepare_after(self) -> None:
        """Start the child that computes with released values, which gets no key."""
        self._after.append(self._start(NO_INPUTS))

    def next(self) -> QueryChild:
        """Return a child that nothing ran in yet: a statement never meets another's data."""
        return self._waiting.pop() if self._waiting else self._start(self.inputs)

    def after(self) -> QueryChild:
        """Return a child for released values only."""
        return self._after.pop() if self._after else self._start(NO_INPUTS)


@contextlib.contextmanager
def query_children(
    inputs: QueryInputs,
    *,
    confinement: Confinement,
    resources: Resources,
    ready: ReadyChild | None = None,
) -> Iterator[QueryChildren]:
    """Start query children as a run needs them, and end them with the block.

    Args:
        inputs: What the query reads.
        confinement: How its children are confined.
        resources: What each of them may use.
        ready: One that waits already; it is the first where it is confined like the others.
    """
    with contextlib.ExitStack() as started:

        def start(given: QueryInputs) -> QueryChild:
            child = started.enter_context(ready_child(confinement))
            return child.serve(given, resources=resources)

        fits = ready is not None and ready.confinement == confinement and ready.is_alive
        first = ready.serve(inputs, resources=resources) if ready and fits else start(inputs)
        yield QueryChildren(start, inputs, first=first)


def query_limits(resources: Resources, *, inputs: QueryInputs) -> ChildLimits:
    """Turn what a query asked for into what its process may use.

    The engine keeps within the query's memory and time by itself; these limits hold
    it if it does not, and so leave it some room.
    """
    threads = engine_threads()
    return ChildLimits(
        memory_bytes=resources.memory_mib * MIB + BASE_MEMORY_BYTES + threads * THREAD_MEMORY_BYTES,
        processor_seconds=min(
            resources.processor_seconds, (resources.seconds + START_SECONDS) * threads
        ),
        file_bytes=inputs.spill_bytes,
        descriptors=FIRST_GIVEN + len(inputs.descriptors) + OWN_DESCRIPTORS,
        tasks=threads + OWN_TASKS,
    )


def _widest_limits() -> ChildLimits:
    """Return limits that those of every query lie within; a limit can only be lowered."""
    return ChildLimits(
        memory_bytes=2 * MAX_MEMORY_MIB * MIB,
        processor_seconds=MAX_PROCESSOR_SECONDS,
        file_bytes=MAX_MEMORY_MIB * MIB * SPILL_FACTOR,
        descriptors=MAX_DESCRIPTORS,
        tasks=engine_threads() + OWN_TASKS,
    )


def engine_threads() -> int:
    """Return how many threads an engine gets: one for each processor that is ours."""
    return len(os.sched_getaffinity(0))


def _revived(wire: Any) -> Exception:  # noqa: ANN401 - any JSON value
    if not isinstance(wire, dict) or {type(item) for item in wire.values()} != {str}:
        raise MalformedError("query child: an error of no known form", code="child.format")
    error = from_wire(wire["class"], code=wire["code"], message=wire["message"], hint=wire["hint"])
    if isinstance(error, IntegrityError | MalformedError | QueryFailedError):
        return error
    return QueryFailedError("engine: the query did not complete", code="engine.failed")
