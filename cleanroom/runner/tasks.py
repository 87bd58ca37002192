# SPDX-License-Identifier: Apache-2.0
"""Choose what computes an admitted run, and let it load while keys are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

from cleanroom.admission.analysis import AdmittedAnalysis
from cleanroom.admission.typed.tree import AdmittedQuery
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.runner.compute import ReadyChild, query_children
from cleanroom.runner.gate import Task
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.inputs import QueryInputs
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.stages import StageRunner, stage_statement

Prepared: TypeAlias = Callable[[Mapping[str, KeyGrant]], Task]


@contextmanager
def prepared_task(
    admitted: AdmittedQuery | AdmittedAnalysis,
    *,
    approved: ApprovedRun,
    inputs: QueryInputs,
    confinement: Confinement,
    ready: ReadyChild | None = None,
) -> Iterator[Prepared]:
    """Give what makes the task once there are keys, for the block.

    Args:
        admitted: What is to be computed.
        approved: The run.
        inputs: What it reads.
        confinement: How its children are confined.
        ready: A query child that waits already.
    """
    if isinstance(admitted, AdmittedAnalysis):
        if ready is not None:
            # Its children are others; this one would only keep memory.
            ready.end()
        # An SQL query waits for nothing of it.
        from cleanroom.runner.analysis.task import AnalysisTask  # noqa: PLC0415

        yield lambda grants: AnalysisTask(
            admitted=admitted,
            approved=approved,
            grants=grants,
            inputs=inputs,
            confinement=confinement,
        )
        return
    resources = approved.resources
    with (
        query_children(
            inputs, confinement=confinement, resources=resources, ready=ready
        ) as children,
        ThreadPoolExecutor(max_workers=1) as beside,
    ):
        if not admitted.post.identity:
            children.prepare_after()
        # Keys are asked for meanwhile, and brokers take their time.
        statements = [
            beside.submit(stage_statement, admitted, stage, approved=approved)
            for stage in admitted.stages
        ]
        yield lambda grants: StageRunner(
            admitted=admitted,
            approved=approved,
            grants=grants,
            children=children,
            statements=statements,
        )
