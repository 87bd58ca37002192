# SPDX-License-Identifier: Apache-2.0
"""Run an analyst's code on one part, in a confined process that is told nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.contract.resources import Resources
from cleanroom.errors import QueryFailedError
from cleanroom.kernel.limits import MIB
from cleanroom.runner.analysis.code_job import encode_code_job, libraries_of
from cleanroom.runner.child_job import Bindable
from cleanroom.runner.compute import BASE_MEMORY_BYTES, engine_threads
from cleanroom.runner.sandbox import outcome
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.process import START_SECONDS, confined_child

CHILD = "cleanroom.runner.analysis.code_child"
_OWN_DESCRIPTORS = 192  # libraries open their own files while they load
_OWN_TASKS = 256


def at_once(
    run: Callable[[Mapping[str, int]], bytes | QueryFailedError],
    parts: Sequence[Mapping[str, int]],
) -> list[bytes | QueryFailedError]:
    """Run every part of a round at the same time, however few processors there are.

    A part that started when another one ended could read from a clock what that one saw:
    ending at a chosen second spells a number.
    """
    with ThreadPoolExecutor(max_workers=len(parts)) as several:
        return list(several.map(run, parts))


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """How much is left of the seconds that a run may take.

    Attributes:
        seconds: What it started with.
    """

    seconds: int
    _started: float = field(default_factory=time.monotonic)

    def left(self) -> int:
        """Return the whole seconds that are left.

        Raises:
            QueryFailedError: There are none.
        """
        left = int(self.seconds - (time.monotonic() - self._started))
        if left < 1:
            raise outcome.failed(outcome.TIME)
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRunner:
    """Runs one analysis's code.

    Attributes:
        code: The very bytes whose digest was approved.
        analysis: What it must hand over.
        parameters: Values of the run.
        resources: What the run may use.
        confinement: How a process is confined.
        watch: Time that is left.
    """

    code: bytes
    analysis: PythonAnalysis
    parameters: Mapping[str, Bindable]
    resources: Resources
    confinement: Confinement
    watch: Stopwatch

    def try_run(self, tables: Mapping[str, int]) -> bytes | QueryFailedError:
        """Run the code on one part of several: whether others fail alike decides what is told."""
        try:
            return self.run(tables)
        except QueryFailedError as error:
            return error

    def run(self, tables: Mapping[str, int]) -> bytes:
        """Run the code on some tables and return its whole answer, which nobody has looked at.

        Raises:
            QueryFailedError: Time, processor time, memory, size, a signal: the code tells which.
        """
        seconds, asked = self.watch.left(), self.resources.seconds
        descriptors = tuple(tables.values())
        # Alike for every part: what followed the time that is left would tell how long
        # others took.
        limits = ChildLimits(
            memory_bytes=self.resources.memory_mib * MIB + BASE_MEMORY_BYTES,
            processor_seconds=min(
                self.resources.processor_seconds, (asked + START_SECONDS) * engine_threads()
            ),
            file_bytes=0,
            descriptors=len(descriptors) + _OWN_DESCRIPTORS,
            tasks=_OWN_TASKS,
        )
        job = encode_code_job(
            self.code, analysis=self.analysis, parameters=self.parameters, tables=tables
        )
        with confined_child(
            CHILD,
            confinement=self.confinement,
            limits=limits,
            descriptors=descriptors,
            preload=libraries_of(self.code),
            others_code=True,
        ) as child:
            child.require_ready()
            return child.exchange(job, seconds=seconds, most=self.resources.result_mib * MIB)
