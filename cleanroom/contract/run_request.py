# SPDX-License-Identifier: Apache-2.0
"""A signed request to run one query once: nobody else starts a run, the operator included."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.query import ParameterValue
from cleanroom.contract.types import TEXT
from cleanroom.contract.wire import (
    ColumnName,
    DigestText,
    Moment,
    Name,
    RunName,
    parse_document,
    unique,
    with_bytes,
)
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import (
    MAX_PARAMETERS,
    MAX_PARTIES,
    MAX_RUN_BYTES,
    MAX_SAFE_INTEGER,
)
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.wire_model import WireModel


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


class RunWire(WireModel):
    """The whole run request."""

    format: Literal["cleanroom.run.v0"]
    run: RunName
    contract: DigestText
    query: DigestText
    submitter: Name
    receivers: Annotated[list[Name], Field(min_length=1, max_length=MAX_PARTIES)]
    expires: Moment
    parameters: Annotated[
        dict[
            ColumnName,
            Annotated[str, Field(pattern=f"^{TEXT}$", max_length=256)]
            | Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)],
        ],
        Field(max_length=MAX_PARAMETERS),
    ]


@remembered(64)
def parse_run_request(data: bytes, *, what: str = "run.toml") -> RunRequest:
    """Read a run request from its exact bytes.

    Raises:
        MalformedError: Not a run request.
    """
    wire = parse_document(RunWire, data, what=what, kind="run", limit=MAX_RUN_BYTES)
    terms = RunTerms(
        run=wire.run,
        contract=Digest.parse(wire.contract),
        query=Digest.parse(wire.query),
        submitter=wire.submitter,
        receivers=unique(wire.receivers, what=what, clause="receivers", kind="run"),
        parameters=dict(wire.parameters),
        expires=wire.expires.astimezone(dt.UTC),
    )
    return with_bytes(RunRequest, terms, data=data)
