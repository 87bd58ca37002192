# SPDX-License-Identifier: Apache-2.0
"""Was this agreed, by whom, and do we know them? The only place that mints an Agreement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cleanroom.contract.bundle import ContractBundle
from cleanroom.contract.contract import Contract
from cleanroom.contract.dataset import Dataset
from cleanroom.contract.policy import Policy
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDigest:
    """Somebody told us out of band which contract to expect."""

    digest: Digest


Trust: TypeAlias = Pins | ContractDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Proof that every party we know signed one contract and its documents fit.

    Attributes:
        contract: The contract.
        parties: Party documents by name.
        datasets: Sealed datasets by lineage; those not sealed yet are absent.
        policies: Policies by lineage; one for every dataset of the contract.
    """

    contract: Contract
    parties: Mapping[str, PartyDocument]
    datasets: Mapping[str, Dataset]
    policies: Mapping[str, Policy]


def agree(bundle: ContractBundle, *, trust: Trust) -> Agreement:
    """Verify a contract and every document that it names."""
    raise NotImplementedError
