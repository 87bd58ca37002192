# SPDX-License-Identifier: Apache-2.0
"""A signed request to run one query once: nobody else starts a run, the operator included."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from cleanroom.contract.query import ParameterValue
from cleanroom.kernel.digest import Digest

FORMAT = "cleanroom.run.v0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTerms:
    """Everything a run request says, before it has bytes.

    Attributes:
        run: Run id, chosen by the submitter.
        contract: Digest of the contract.
        query: Digest of the query document.
        submitter: Party that signs it.
        receivers: Parties that receive this result.
        parameters: One value for every parameter of the query.
        expires: First moment at which keys are no longer released for it.
    """

    run: str
    contract: Digest
    query: Digest
    submitter: str
    receivers: frozenset[str]
    parameters: Mapping[str, ParameterValue]
    expires: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest(RunTerms):
    """A run request as its submitter signed it."""

    raw: bytes = field(repr=False)
    digest: Digest


def parse_run_request(data: bytes, *, what: str = "run.toml") -> RunRequest:
    """Read a run request from its exact bytes.

    Raises:
        MalformedError: Not a run request.
    """
    raise NotImplementedError
