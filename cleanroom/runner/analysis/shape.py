# SPDX-License-Identifier: Apache-2.0
"""Describe what a frame is and what is released of it, to whoever checks and gates it."""

from __future__ import annotations

from cleanroom.admission.analysis import UNIT, AdmittedAnalysis
from cleanroom.contract.analysis import AnalysisFunction, FrameAggregate, PythonAnalysis
from cleanroom.contract.types import ColumnType
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    KeyShape,
    ReleaseShape,
    UnitShape,
)
from cleanroom.kernel.digest import Digest
from cleanroom.runner.analysis.tables_sql import unit_inputs

_TEXT, _WHOLE, _REAL = ColumnType("string"), ColumnType("integer"), ColumnType("double")


def frame_columns(analysis: PythonAnalysis) -> tuple[tuple[str, ColumnType], ...]:
    """Return name and type of each column of a frame: the unit, groups, measures."""
    return (
        (UNIT, _TEXT),
        *((group.name, group.type) for group in analysis.groups),
        *((measure.name, measure.type) for measure in analysis.measures),
    )


def release_shape(admitted: AdmittedAnalysis, *, identity: Digest) -> ReleaseShape:
    """Describe the release of a frame.

    Args:
        admitted: The analysis.
        identity: Of everything that a group's meaning depends on: two analyses may call
            different things by one name.
    """
    analysis = admitted.analysis
    place = {measure.name: index for index, measure in enumerate(analysis.measures)}
    return ReleaseShape(
        keys=tuple(
            KeyShape(name=group.name, type=group.type, source=f"{identity} {group.name}")
            for group in analysis.groups
        ),
        arguments=tuple(
            ArgumentShape(
                kind=ArgumentKind.MEASURE,
                digits=len(str(max(map(abs, measure.range)))),
                scale=measure.scale,
            )
            for measure in analysis.measures
        ),
        aggregates=tuple(
            _aggregate(item, argument=place.get(item.column, -1)) for item in analysis.aggregates
        ),
        units=tuple(
            UnitShape(namespace=f"{item.lineage.partition('.')[0]}:{item.namespace}", type="string")
            for _, item in unit_inputs(admitted)
        ),
        order=tuple(name for name, _ in analysis.output),
    )


def _aggregate(item: FrameAggregate, *, argument: int) -> AggregateShape:
    # One row a unit: rows of a group are its units.
    kind = AggregateKind(item.function.value)
    if item.function is AnalysisFunction.COUNT and argument < 0:
        kind = AggregateKind.COUNT_ROWS
    whole = item.function is AnalysisFunction.COUNT
    return AggregateShape(
        name=item.name,
        kind=kind,
        type=_WHOLE if whole else _REAL,
        argument=argument,
        unit=-1,
    )
