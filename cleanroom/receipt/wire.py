# SPDX-License-Identifier: Apache-2.0
"""The receipt's JSON members: closed and typed, before they become values.

Names are checked here because they become paths in a room before anything is
verified: a party called ``../../etc`` must not reach a file system.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from cleanroom.contract import types
from cleanroom.contract.wire import (
    ColumnName,
    Count,
    DigestText,
    Lineage,
    Name,
    Positive,
    RunName,
)
from cleanroom.kernel.wire_model import WireModel

Word: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
Band: TypeAlias = Annotated[str, Field(pattern=r"^(?:[0-9]{1,15}(?:-[0-9]{1,15}|\+)?|all)$")]
CodeFile: TypeAlias = Annotated[str, Field(pattern=f"^{types.CODE_FILE}$")]
Version: TypeAlias = Annotated[str, Field(pattern=r"^[!-~][ -~]{0,127}$")]
Scalar: TypeAlias = Annotated[str, Field(max_length=4096)] | int


class WireNamed(WireModel):
    """A document by name and digest."""

    name: Name
    digest: DigestText


class WireDataset(WireModel):
    """One dataset version."""

    lineage: Lineage
    owner: Name
    version: DigestText
    number: Positive
    policy: DigestText


class WireCheck(WireModel):
    """One disclosure rule as applied."""

    rule: Word
    parameters: dict[Word, Scalar]
    verdict: Literal["held", "withheld"]
    withheld: Band


class WireStep(WireModel):
    """One lineage's history before and after."""

    lineage: Lineage
    previous: DigestText
    next: DigestText


class WireSandbox(WireModel):
    """Confinement of the query."""

    level: Literal["process", "self", "full"]
    layers: list[Word]


class WireResult(WireModel):
    """The sealed result."""

    digest: DigestText
    bytes: Count


class WireBody(WireModel):
    """The receipt's predicate."""

    format: Literal["cleanroom.receipt.v0"]
    run: RunName
    contract: WireNamed
    parties: dict[Name, DigestText]
    query: WireNamed
    code: dict[CodeFile, DigestText]
    approvals: dict[Name, DigestText]
    run_request: DigestText
    submitter: Name
    parameters: dict[ColumnName, Scalar]
    receivers: list[Name]
    datasets: list[WireDataset]
    runtime_data: str
    evidence: dict[str, Any]
    releases: dict[Name, dict[str, Any]]
    checks: list[WireCheck]
    state: list[WireStep]
    answered: Literal["computed", "stored", "refused"]
    sandbox: WireSandbox
    versions: dict[Word, Version]
    result: WireResult
    platform: Name
    banner: Annotated[str, Field(max_length=1024)]


class WireFile(WireModel):
    """``receipt.json``: a DSSE envelope and the countersignatures around it."""

    payload: str
    payloadType: str  # noqa: N815 - the member's name in DSSE
    signatures: list[dict[str, Any]]
    countersignatures: dict[Name, dict[str, Any]]
