# SPDX-License-Identifier: Apache-2.0
"""The bytes of a released result, and how a receiver reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cleanroom.disclosure.decide import Released, ReleasedValue, ResultColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """A result as its receiver sees it."""

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[ReleasedValue, ...], ...]
    withheld: Mapping[str, str]


def encode_result(released: Released) -> bytes:
    """Write a result as canonical JSON, padded to a published size.

    Raises:
        DisclosureRefusedError: Larger than the largest published size.
    """
    raise NotImplementedError


def decode_result(data: bytes, *, what: str = "result") -> ResultTable:
    """Read a result.

    Raises:
        MalformedError: Not a result of this format.
    """
    raise NotImplementedError
