# SPDX-License-Identifier: Apache-2.0
"""The shape of ``contract.toml`` at the edge; meaning is checked in ``contract``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.types import DIGEST, TEXT
from cleanroom.contract.wire import (
    ColumnReference,
    Count,
    DigestText,
    Lineage,
    Moment,
    Name,
    Positive,
    Text,
)
from cleanroom.kernel.limits import (
    MAX_CONTRACT_DATASETS,
    MAX_LINKS,
    MAX_LISTED_QUERIES,
    MAX_PARTIES,
)
from cleanroom.kernel.wire_model import WireModel

MAX_MEASUREMENTS = 256
MAX_AGE_SECONDS = 7 * 24 * 3600
CODE = r"[a-z][a-z0-9-]{0,63}"
CURRENCY = r"none|[A-Z]{3}"
PLATFORM = r"[a-z][a-z0-9-]{0,31}"
WAIVED = "waived: "

PartyRole = Literal["owner", "analyst", "operator", "receiver", "payer", "auditor"]
PartyNames = Annotated[list[Name], Field(max_length=MAX_PARTIES)]
Digests = Annotated[list[DigestText], Field(max_length=MAX_LISTED_QUERIES)]


class PartyWire(WireModel):
    """One party and its exact party document."""

    name: Name
    document: DigestText
    roles: Annotated[list[PartyRole], Field(min_length=1, max_length=6)]


class DatasetWire(WireModel):
    """One dataset and what was agreed about it."""

    lineage: Lineage
    owner: Name
    schema_: Annotated[DigestText, Field(alias="schema")]
    policy: DigestText
    version: Annotated[str, Field(pattern=f"^(?:by-owner|{DIGEST})$")]


class LinkWire(WireModel):
    """Two key columns that name the same units."""

    left: ColumnReference
    right: ColumnReference


class AttestationWire(WireModel):
    """Which runner may get keys."""

    platforms: Annotated[list[Annotated[str, Field(pattern=f"^{PLATFORM}$")]], Field(max_length=16)]
    measurements: Annotated[list[DigestText], Field(max_length=MAX_MEASUREMENTS)]
    debug: Annotated[str, Field(pattern=f"^(?:forbidden|{WAIVED}{TEXT})$", max_length=512)]
    max_evidence_age_seconds: Annotated[int, Field(ge=1, le=MAX_AGE_SECONDS)]


class PriceWire(WireModel):
    """What a run costs."""

    currency: Annotated[str, Field(pattern=f"^(?:{CURRENCY})$")]
    amount_per_run: Count


class ContractWire(WireModel):
    """The whole contract."""

    format: Literal["cleanroom.contract.v0"]
    name: Name
    purpose: Text
    purpose_code: Annotated[str, Field(pattern=f"^{CODE}$")]
    not_before: Moment
    expires: Moment
    predecessor: Annotated[str, Field(pattern=f"^(?:none|{DIGEST})$")]
    quorum: Literal["owners-touched", "all-owners", "all-parties"]
    max_runs: Positive
    sandbox: Literal["process", "self", "full"]
    receivers: PartyNames
    submitters: PartyNames
    queries: Digests
    parties: Annotated[list[PartyWire], Field(min_length=1, max_length=MAX_PARTIES)]
    datasets: Annotated[list[DatasetWire], Field(max_length=MAX_CONTRACT_DATASETS)]
    links: Annotated[list[LinkWire], Field(max_length=MAX_LINKS)]
    attestation: AttestationWire
    price: PriceWire
