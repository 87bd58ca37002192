# SPDX-License-Identifier: Apache-2.0
"""Describe a stage of an admitted query to the disclosure gate, which does not know admission."""

from __future__ import annotations

from cleanroom.admission.typed.plain_words import key_texts
from cleanroom.admission.typed.tree import Argument, Stage
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    GroupingShape,
    KeyShape,
    ReleaseShape,
    UnitShape,
)

_PAIR = 2


def shape_of(stage: Stage) -> ReleaseShape:
    """Describe what a stage releases.

    Raises:
        DisclosureRefusedError: More parts than the statistics are written for.
    """
    texts = key_texts(stage)
    return ReleaseShape(
        keys=tuple(
            KeyShape(name=key.name, type=key.type, source=text)
            for key, text in zip(stage.keys, texts, strict=True)
        ),
        arguments=tuple(_argument(item) for item in stage.arguments),
        aggregates=tuple(
            AggregateShape(
                name=item.name,
                kind=AggregateKind(item.kind.value),
                type=item.type,
                argument=item.arguments[0] if item.arguments else -1,
                unit=item.unit,
                other=item.arguments[1] if len(item.arguments) == _PAIR else -1,
            )
            for item in stage.aggregates
        ),
        # Two owners may use one name for their namespaces; their fingerprints never mix.
        units=tuple(
            UnitShape(namespace=f"{unit.owner}:{unit.namespace}", type=unit.column.type)
            for unit in stage.units
        ),
        order=stage.order,
        branches=len(stage.branches),
        meetings=stage.meetings,
        grouping_sets=stage.grouping_sets,
        groupings=tuple(GroupingShape(name=item.name, keys=item.keys) for item in stage.groupings),
    )


def _argument(item: Argument) -> ArgumentShape:
    kind = ArgumentKind(item.kind.value)
    if not item.is_number:
        return ArgumentShape(kind=kind)
    grid = item.grid
    largest = max(abs(grid.lower), abs(grid.upper)).scaleb(grid.scale)
    return ArgumentShape(
        kind=kind, digits=len(str(int(largest))), scale=grid.scale, weight=item.weight
    )
