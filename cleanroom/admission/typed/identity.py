# SPDX-License-Identifier: Apache-2.0
"""When two releases are the same: equal SQL of equal meaning, whatever anything was called.

Asking again under other names must neither count as another release nor bring out another
answer, so names of the analyst have no part in it.
"""

from __future__ import annotations

from cleanroom.admission.typed.generate import generate, generate_post
from cleanroom.admission.typed.tree import AdmittedQuery, Stage
from cleanroom.kernel.canonical import JSONValue, canonical_json

_PREFIX = "identity_"


def identity_of(stage: Stage) -> str:
    """Return a text that two stages share exactly if they release the same."""
    aggregates: list[JSONValue] = [
        [item.kind, list(item.arguments), item.unit] for item in stage.aggregates
    ]
    units: list[JSONValue] = [[unit.owner, unit.namespace] for unit in stage.units]
    sets: list[JSONValue] = [list(chosen) for chosen in stage.grouping_sets]
    groupings: list[JSONValue] = [list(item.keys) for item in stage.groupings]
    meetings: list[JSONValue] = [list(made) for made in stage.meetings]
    return canonical_json(
        {
            "sql": generate(stage, prefix=_PREFIX),
            "aggregates": aggregates,
            "units": units,
            "sets": sets,
            "groupings": groupings,
            # What was released before any number had such conditions is still the same release.
            **({"meetings": meetings} if meetings else {}),
        }
    ).decode()


def query_identity(admitted: AdmittedQuery) -> tuple[str, ...]:
    """Return texts that two queries share exactly if they ask for the same result.

    The names of outputs are part of it, because a stored answer carries them.
    """
    names = [item.name for item in admitted.output]
    post = canonical_json(names).decode()
    if not admitted.post.identity:
        post += generate_post(admitted, prefix=_PREFIX)
    return (*(identity_of(stage) for stage in admitted.stages), post)
