# SPDX-License-Identifier: Apache-2.0
"""The shape of ``contract.toml`` at the edge; meaning is checked in ``contract``."""

from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.attestation_wire import AttestationWire
from cleanroom.contract.resources import AgreedResourcesWire
from cleanroom.contract.types import DIGEST
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

CODE = r"[a-z][a-z0-9-]{0,63}"
CURRENCY = r"none|[A-Z]{3}"

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
    resources: AgreedResourcesWire | None = None
