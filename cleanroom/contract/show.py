# SPDX-License-Identifier: Apache-2.0
"""Say in plain words what signed documents mean, for the person who signs or approves.

Everything is taken from parsed, exact bytes; nothing is read from comments,
which could say something else than the clauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cleanroom.contract.attestation_plain import describe_clauses, waivers
from cleanroom.contract.contract import (
    STAND_ALONE,
    ByOwner,
    Contract,
    ContractDataset,
    Forbidden,
    Quorum,
    SandboxLevel,
)
from cleanroom.contract.policy import Column, DifferentialPrivacy, Policy, Role, Unit
from cleanroom.contract.resources import AS_QUERIED, describe_resources
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.clock import format_time

_QUORUMS = {
    Quorum.OWNERS_TOUCHED: "every owner whose data it touches",
    Quorum.ALL_OWNERS: "every owner in the contract",
    Quorum.ALL_PARTIES: "every party of the contract",
}
_SANDBOXES = {
    SandboxLevel.PROCESS: "a process of its own, WITHOUT a kernel sandbox",
    SandboxLevel.SELF: "a process that confines itself",
    SandboxLevel.FULL: "a full sandbox",
}


def show_contract(
    contract: Contract,
    *,
    parties: Mapping[str, PartyDocument],
    policies: Mapping[str, Policy],
) -> str:
    """Describe a contract clause by clause, with the policies that it names."""
    lines = [
        f"Contract {contract.name}, {contract.digest}",
        f"  Purpose: {contract.purpose} ({contract.purpose_code}).",
        (
            f"  In force from {format_time(contract.not_before)} "
            f"until just before {format_time(contract.expires)}."
        ),
        "  " + _predecessor(contract),
        "",
        "Parties",
        *(f"  {_party(name, contract, parties)}" for name in sorted(contract.party_names)),
        "",
        "Runs",
        f"  Only {_names(contract.submitters)} may start a run, {contract.max_runs} times in all.",
        f"  Only {_names(contract.receivers)} may receive a result.",
        f"  A query must be approved by {_QUORUMS[contract.quorum]}{_listed(contract)}.",
        f"  Analysis code runs in at least {_SANDBOXES[contract.sandbox]}.",
        f"  {_resources(contract)}",
        *(f"  {line}" for line in _attestation(contract)),
        f"  {_price(contract)}",
        "",
        "Datasets",
        *(line for dataset in contract.datasets for line in _dataset(dataset, policies)),
        *(f"  {link.left} and {link.right} name the same units." for link in contract.links),
    ]
    return "\n".join(lines) + "\n"


def show_policy(policy: Policy) -> str:
    """Describe an output policy: what may leave a query over one dataset."""
    return "\n".join([f"Policy for {policy.dataset}, {policy.digest}", *_policy(policy)]) + "\n"


def _resources(contract: Contract) -> str:
    if contract.resources == AS_QUERIED:
        return "A run may use what its query says."
    return f"No run may use more than {describe_resources(contract.resources)}."


def _predecessor(contract: Contract) -> str:
    if contract.predecessor is None:
        return "It replaces no other contract."
    return f"It replaces {contract.predecessor}; approvals under that one lapse."


def _party(name: str, contract: Contract, parties: Mapping[str, PartyDocument]) -> str:
    party = next(item for item in contract.parties if item.name == name)
    title = f" ({parties[name].title})" if name in parties else ""
    return f"{name}{title}: {_names(party.roles)}; fingerprint {party.document}"


def _listed(contract: Contract) -> str:
    if not contract.queries:
        return ""
    return f"; {len(contract.queries)} of them are approved by signing this contract"


def _attestation(contract: Contract) -> list[str]:
    profile = contract.attestation
    lines = [
        (
            f"Keys go only to a runner on {_names(profile.platforms)}, with one of "
            f"{len(profile.measurements)} agreed measurements, on evidence at most "
            f"{int(profile.max_evidence_age.total_seconds())} seconds old."
        ),
        *(f"  measurement {digest}" for digest in sorted(profile.measurements)),
    ]
    lines += [
        f"{name.upper()} platform: whoever runs the machine can read everything."
        for name in sorted(profile.platforms & STAND_ALONE)
    ]
    lines += [f"  {name} must be {text}" for name, text in describe_clauses(profile).items()]
    lines += [f"WAIVED: {waiver}" for waiver in waivers(profile)]
    if not isinstance(profile.debug, Forbidden):
        lines.append(f"DEBUGGING is accepted, because: {profile.debug.reason}")
    return lines


def _price(contract: Contract) -> str:
    if contract.price.currency == "none":
        return "A run costs nothing."
    return (
        f"A run costs {contract.price.amount_per_run} minor units of {contract.price.currency}, "
        "which is recorded and not charged."
    )


def _dataset(dataset: ContractDataset, policies: Mapping[str, Policy]) -> list[str]:
    version = (
        f"{dataset.owner} alone signs new versions"
        if isinstance(dataset.version, ByOwner)
        else f"only the version {dataset.version} counts"
    )
    lines = [f"  {dataset.lineage}: {version}; policy {dataset.policy}"]
    if dataset.lineage in policies:
        lines += [f"  {line}" for line in _policy(policies[dataset.lineage])]
    return lines


def _policy(policy: Policy) -> list[str]:
    lines = [
        f"  Kinds of analysis: {_names(policy.kinds)}. Receivers: {_names(policy.receivers)}.",
        f"  May be joined with {_names(policy.joins)}.",
    ]
    if isinstance(policy.unit, Unit):
        lines += [f"  {line}" for line in _protection(policy, policy.unit)]
    else:
        lines.append("  PUBLIC: it protects nobody.")
    return [*lines, *(f"  {_column(column)}" for column in policy.columns.values())]


def _protection(policy: Policy, unit: Unit) -> list[str]:
    share = f"{policy.dominance_share.numerator}/{policy.dominance_share.denominator}"
    return [
        (
            f"Protects each {unit.kind}, told apart by {unit.column}, with at most "
            f"{unit.max_rows} rows each."
        ),
        (
            f"No value about fewer than {policy.threshold} of them leaves, and no two values that "
            f"differ by fewer than {policy.difference}, over the whole history."
        ),
        (
            f"No value of which the {policy.dominance_largest} largest contributors make up more "
            f"than {share}, or from which one can be estimated within {policy.p_percent} per cent."
        ),
        (
            f"Counts are rounded to {policy.round_counts}, other numbers to "
            f"{policy.significant_digits} digits; cells with nobody in them: {policy.zeros}."
        ),
        (
            f"At most {policy.releases_per_receiver} releases for one receiver, "
            f"{policy.releases_total} in all."
        ),
        (
            f"Compared with values: {_names(policy.compare_literal)}. "
            f"Compared with other columns: {_names(policy.compare_column)}."
        ),
        f"Aggregates beyond the safe list: {_names(policy.functions)}.",
        _noise(policy),
    ]


def _noise(policy: Policy) -> str:
    if not isinstance(policy.noise, DifferentialPrivacy):
        return "No calibrated noise."
    return (
        f"Calibrated noise: epsilon {policy.noise.epsilon_per_release} a release, "
        f"{policy.noise.epsilon_total} in all, delta {policy.noise.delta}."
    )


def _column(column: Column) -> str:
    if column.role is Role.KEY:
        return f"{column.name}: identifier of {column.namespace}"
    if column.role is Role.MEASURE:
        return (
            f"{column.name}: measure in {column.measured_in}, cut off below {column.lower} "
            f"and above {column.upper}"
        )
    return f"{column.name}: {column.role.value}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody or nothing"
