# SPDX-License-Identifier: Apache-2.0
"""May this query run? Static, free, and answered before any key is asked for.

The query text is parsed once, by the engine's own parser, and lowered into a small
closed tree; whatever is not in that tree is refused. What runs later is generated
from the tree, never from the analyst's bytes. This package knows no data.

Begin at :mod:`~cleanroom.admission.admit`. Its ``clauses`` are made of ``expressions``,
both are lowered in a ``context``, from ``syntax`` that the engine parsed into a
``typed`` tree; imports point that way only.
"""
