# SPDX-License-Identifier: Apache-2.0
"""Which datasets may meet: every pair of them must be allowed by both owners."""

from __future__ import annotations

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.lowered import Lowered
from cleanroom.admission.refusal import Place, refuse


def require_partners(builder: Builder, left: Lowered, right: Lowered, *, place: Place) -> None:
    """Refuse to bring two datasets together that one of the owners keeps apart.

    Neighbours in the query or not: whoever is joined in the end has met. A dataset may
    always meet itself. Released tables are public and no longer datasets.

    Raises:
        QueryRefusedError: A policy does not list the other dataset.
    """
    for one in sorted(left.lineages):
        for other in sorted(right.lineages - {one}):
            for here, there in ((one, other), (other, one)):
                grant = f"[joins] {there} in the policy of {here}"
                if there not in builder.catalog.datasets[here][0].joins:
                    refuse(
                        "join-partner",
                        f"{here} may not be joined with {there}",
                        fix="query the datasets apart",
                        place=place,
                        grant=grant,
                    )
                builder.granted.add(grant)
