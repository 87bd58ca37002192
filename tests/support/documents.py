# SPDX-License-Identifier: Apache-2.0
"""Compare documents by what they say, apart from their bytes."""

from __future__ import annotations

import dataclasses
from typing import Any


def terms_of(document: Any) -> dict[str, Any]:
    """Return every clause of a document, without its bytes and digest."""
    return {
        field.name: getattr(document, field.name)
        for field in dataclasses.fields(document)
        if field.name not in {"raw", "digest"}
    }
