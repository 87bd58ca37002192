# SPDX-License-Identifier: Apache-2.0
"""Run one generated statement in a confined child and take back rows, capped in every way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from cleanroom.contract.resources import Resources
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
from cleanroom.runner.inputs import NO_INPUTS, QueryInputs
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.process import START_SECONDS, ConfinedChild, confined_child

CHILD = "cleanroom.runner.query_process"
# What interpreter, engine and answer need beside the engine's own memory.
BASE_MEMORY_BYTES = 768 * MIB
# Each thread of the engine has a stack and buffers of its own.
THREAD_MEMORY_BYTES = 32 * MIB
OWN_DESCRIPTORS = 64
OWN_TASKS = 64


class QueryChild:
    """A query child that waits for its one job; :func:`query_child` starts it.

    Attributes:
        inputs: The open files that it inherited.
    """

    def __init__(self, child: ConfinedChild, inputs: QueryInputs) -> None:
        """Take a started process."""
        self._child = child
        self.inputs = inputs

    def run(self, job: ChildJob, *, before: bytes = b"") -> list[tuple[Value, ...]]:
        """Run the job and return its rows.

        Args:
            job: What to do.
            before: What this kind of child reads in front of its job.

        Raises:
            IntegrityError: A sealed part is not what the dataset document lists.
            QueryFailedError: Memory, time, rows, or a failure whose reason stays inside.
            DisclosureRefusedError: The data do not hold what their policy declares.
        """
        # The job holds keys: nobody gets it before every layer is on.
        self._child.require_ready()
        answer = self._child.exchange(
            before + job.encode(), seconds=job.seconds + START_SECONDS, most=MAX_CHILD_OUTPUT_BYTES
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
    module: str = CHILD,
    descriptors: tuple[int, ...] = (),
) -> Iterator[QueryChild]:
    """Start a query child that knows nothing yet, and end it with the block.

    It loads the engine while the runner attests and asks for keys, and gets its job
    and the keys over its standard input when there are any.
    """
    with confined_child(
        module,
        confinement=confinement,
        limits=query_limits(resources, inputs=inputs),
        descriptors=(*inputs.descriptors, *descriptors),
    ) as child:
        yield QueryChild(child, inputs)


class QueryChildren:
    """Query children for every statement of a run; :func:`query_children` starts them."""

    def __init__(self, start: Callable[[QueryInputs], QueryChild], inputs: QueryInputs) -> None:
        """Start the first child, which loads its engine while keys are asked for."""
        self._start = start
        self._waiting = [start(inputs)]
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
    inputs: QueryInputs, *, confinement: Confinement, resources: Resources
) -> Iterator[QueryChildren]:
    """Start query children as a run needs them, and end them with the block."""
    with contextlib.ExitStack() as started:

        def start(given: QueryInputs) -> QueryChild:
            child = query_child(given, confinement=confinement, resources=resources)
            return started.enter_context(child)

        yield QueryChildren(start, inputs)


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
        descriptors=len(inputs.descriptors) + OWN_DESCRIPTORS,
        tasks=threads + OWN_TASKS,
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
