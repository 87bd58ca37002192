# SPDX-License-Identifier: Apache-2.0
"""Admit a query, or refuse it: one function, one list of steps."""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.tree import AdmittedQuery
from cleanroom.contract.types import ParameterType


def admit(
    sql: bytes, *, catalog: Catalog, parameters: Mapping[str, ParameterType]
) -> AdmittedQuery:
    """Admit a query under every policy it touches.

    Raises:
        QueryRefusedError: A rule says no; it names rule, place, column, fix and grant.
    """
    raise NotImplementedError
