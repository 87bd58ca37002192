# SPDX-License-Identifier: Apache-2.0
"""Write a contract as TOML with a comment at every clause."""

from __future__ import annotations

from cleanroom.contract.attestation_render import render_attestation
from cleanroom.contract.contract import (
    ByOwner,
    ContractDataset,
    ContractParty,
    ContractTerms,
    Link,
)
from cleanroom.contract.resources import AS_QUERIED, Resources, resource_clauses
from cleanroom.contract.toml_text import document, names, quote, scalar, tables


def render_contract(terms: ContractTerms) -> bytes:
    """Write a contract; reading it again gives the same terms."""
    return document(
        _head(terms)
        + tables("parties", (_party(party) for party in terms.parties))
        + tables("datasets", (_dataset(dataset) for dataset in terms.datasets))
        + tables("links", (_link(link) for link in terms.links))
        + render_attestation(terms.attestation)
        + _price(terms)
        + _resources(terms.resources)
    )


def _head(terms: ContractTerms) -> str:
    predecessor = "none" if terms.predecessor is None else str(terms.predecessor)
    return f"""\
# What the parties agree. Each of them signs exactly these bytes; nothing has a default.
format = "cleanroom.contract.v0"
name = {quote(terms.name)}
# What the computation is for, in words and as a code.
purpose = {quote(terms.purpose)}
purpose_code = {quote(terms.purpose_code)}
# Keys are released from not_before on, and no longer from expires on.
not_before = {scalar(terms.not_before)}
expires = {scalar(terms.expires)}
# The contract that this one replaces, by digest, or "none".
predecessor = {quote(predecessor)}
# Who must approve a query: "owners-touched", "all-owners" or "all-parties".
quorum = {quote(terms.quorum.value)}
# Most runs in all; a result that the gate withholds counts as well.
max_runs = {terms.max_runs}
# Least confinement of analysis code: "process" (no kernel sandbox), "self" or "full".
sandbox = {quote(terms.sandbox.value)}
# Parties that may receive a result, and parties that may start a run.
receivers = {names(terms.receivers)}
submitters = {names(terms.submitters)}
# Queries approved by signing this contract, by digest of their query.toml.
queries = {names(terms.queries)}
{_empty_lists(terms)}
# Each party, the digest of its party document, and its roles:
# owner, analyst, operator, receiver, payer, auditor.
"""


def _empty_lists(terms: ContractTerms) -> str:
    # TOML has no empty array of tables, so an empty list stands before the first table.
    text = "" if terms.datasets else "datasets = []\n"
    return text + ("" if terms.links else "# Key columns that name the same units.\nlinks = []\n")


def _party(party: ContractParty) -> dict[str, str]:
    return {
        "name": quote(party.name),
        "document": quote(str(party.document)),
        "roles": names(party.roles),
    }


def _dataset(dataset: ContractDataset) -> dict[str, str]:
    version = "by-owner" if isinstance(dataset.version, ByOwner) else str(dataset.version)
    return {
        "lineage": quote(dataset.lineage),
        "owner": quote(dataset.owner),
        "schema": quote(str(dataset.schema)),
        "policy": quote(str(dataset.policy)),
        "version": quote(version) + '  # "by-owner", or the digest of one dataset.toml',
    }


def _link(link: Link) -> dict[str, str]:
    return {"left": quote(link.left), "right": quote(link.right)}


def _resources(resources: Resources) -> str:
    if resources == AS_QUERIED:
        return ""
    lines = [f"{name} = {most}\n" for name, most in resource_clauses(resources).items()]
    return f"""
# Most that any run may spend, if its query asks for more: memory and processor time of each
# process, wall time, rows and size of the result. Without this table, what the query says.
[resources]
{"".join(lines)}"""


def _price(terms: ContractTerms) -> str:
    return f"""
# Recorded in every receipt, never charged: whole minor units of a currency, or "none".
[price]
currency = {quote(terms.price.currency)}
amount_per_run = {terms.price.amount_per_run}
"""
