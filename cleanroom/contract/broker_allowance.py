# SPDX-License-Identifier: Apache-2.0
"""Allowances: what a restored broker may still release, as its owner signed it.

A backup cannot say what was released after it was made. So a restored broker has no
budget at all, until its owner names, for this one life of the broker, what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.toml_text import document, quote, tables
from cleanroom.contract.wire import (
    Count,
    DigestText,
    Lineage,
    Name,
    parse_document,
    unique,
    with_bytes,
)
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_ALLOWANCE_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.wire_model import WireModel

KIND = "allowance"
_WHAT = "allowance.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageAllowance:
    """What is left of one dataset.

    Attributes:
        head: Head of its disclosure history, as recovered from the counterparties.
        releases_left: Releases that may still be given, to whomever.
    """

    head: Digest
    releases_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceTerms:
    """Everything an allowance says, before it has bytes.

    Attributes:
        party: The owner, who signs it.
        epoch: The one life of its broker for which it counts.
        contracts: Digest to runs that may still be released.
        lineages: What is left of each of the owner's datasets.
    """

    party: str
    epoch: str
    contracts: Mapping[Digest, int]
    lineages: Mapping[str, LineageAllowance]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAllowance(AllowanceTerms):
    """An allowance as it was read."""

    raw: bytes = field(repr=False)
    digest: Digest


class _ContractWire(WireModel):
    digest: DigestText
    runs_left: Count


class _LineageWire(WireModel):
    name: Lineage
    head: DigestText
    releases_left: Count


class _Wire(WireModel):
    format: Literal["cleanroom.allowance.v0"]
    party: Name
    epoch: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    contracts: list[_ContractWire]
    lineages: list[_LineageWire]


def render_allowance(terms: AllowanceTerms) -> bytes:
    """Write an allowance; reading it again gives the same terms."""
    head = f"""\
# What a restored broker may still release. It counts once, in one life of the broker.
format = "cleanroom.allowance.v0"
party = {quote(terms.party)}
epoch = {quote(terms.epoch)}
"""
    contracts = tables(
        "contracts",
        (
            {"digest": quote(str(digest)), "runs_left": str(left)}
            for digest, left in sorted(terms.contracts.items(), key=lambda item: str(item[0]))
        ),
    )
    lineages = tables(
        "lineages",
        (
            {
                "name": quote(name),
                "head": quote(str(item.head)),
                "releases_left": str(item.releases_left),
            }
            for name, item in sorted(terms.lineages.items())
        ),
    )
    # An empty list is written as one: nothing is left out, so nothing is assumed.
    empty = "".join(
        f"{name} = []\n"
        for name, part in (("contracts", terms.contracts), ("lineages", terms.lineages))
        if not part
    )
    return document(head + empty + contracts + lineages)


def parse_allowance(data: bytes) -> BrokerAllowance:
    """Read an allowance from its exact bytes.

    Raises:
        MalformedError: Not an allowance, or something is listed twice.
    """
    wire = parse_document(_Wire, data, what=_WHAT, kind=KIND, limit=MAX_ALLOWANCE_BYTES)
    unique((item.digest for item in wire.contracts), what=_WHAT, clause="contracts", kind=KIND)
    unique((item.name for item in wire.lineages), what=_WHAT, clause="lineages", kind=KIND)
    terms = AllowanceTerms(
        party=wire.party,
        epoch=wire.epoch,
        contracts={
            Digest.parse(item.digest, what=_WHAT): item.runs_left for item in wire.contracts
        },
        lineages={
            item.name: LineageAllowance(
                head=Digest.parse(item.head, what=_WHAT), releases_left=item.releases_left
            )
            for item in wire.lineages
        },
    )
    return with_bytes(BrokerAllowance, terms, data=data)
