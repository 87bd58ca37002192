# SPDX-License-Identifier: Apache-2.0
"""What a valid contract or policy would still not do, or would do weakly.

Parsing refuses what contradicts itself. This module names what nobody would
mean: a contract under which nothing can ever run, or a rule that protects little.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from enum import StrEnum

from cleanroom.contract.attestation_plain import (
    EMPTY,
    describe_clauses,
    describe_profile,
    waivers,
)
from cleanroom.contract.attestation_terms import PLATFORM_CLAUSES, STAND_ALONE, AttestationProfile
from cleanroom.contract.contract import ContractTerms, Forbidden, Link, SandboxLevel
from cleanroom.contract.draft import NO_PURPOSE, NO_PURPOSE_CODE
from cleanroom.contract.policy import Policy, PolicyTerms
from cleanroom.contract.types import split_column
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.record import dataclass

WEAK_THRESHOLD = 10


# Empty, these forbid what they would otherwise allow.
MAY_BE_EMPTY = frozenset(
    {
        "attestation.snp.risks",
        "attestation.tdx.advisories",
        "attestation.maa.tcb_statuses",
        "attestation.maa.vmpl",
        "attestation.workload.overrides",
        "attestation.workload.environment",
        "attestation.workload.service_accounts",
    }
)
# The key is new at every start and is vouched for in another way.
MAY_BE_ANY = frozenset({"pcrs.keys"})


# One of the two is enough: an image counts by its measurement or by its signer.
_EITHER = (
    frozenset({"attestation.snp.launch", "attestation.snp.signers"}),
    frozenset({"attestation.maa.launch", "attestation.maa.id_keys"}),
)


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to look at.

    Attributes:
        severity: ``error`` if nothing can ever run or leave, else ``warning``.
        place: Document and clause.
        text: What it means.
        fix: What to do about it.
    """

    severity: Severity
    place: str
    text: str
    fix: str


def lint_contract(
    terms: ContractTerms, *, policies: Mapping[str, Policy], at: dt.datetime
) -> tuple[Finding, ...]:
    """List findings about a contract and the policies that it names, worst first."""
    findings = [
        *_never_runs(terms),
        *_no_purpose(terms),
        *_times(terms, at),
        *_weak_runner(terms),
        *_owners(terms),
        *_links(terms, policies),
    ]
    for dataset in terms.datasets:
        if dataset.lineage in policies:
            findings += _receivers(terms, policies[dataset.lineage])
            findings += lint_policy(policies[dataset.lineage])
    return _sorted(findings)


def lint_policy(terms: PolicyTerms) -> tuple[Finding, ...]:
    """List findings about one policy, worst first."""
    findings = [*_never_leaves(terms)]
    if not terms.is_public:
        findings += [*_weak_rules(terms), *_no_join(terms)]
    return _sorted(findings)


def _never_runs(terms: ContractTerms) -> Iterator[Finding]:
    empty = {
        "submitters": (terms.submitters, "nobody may start a run"),
        "receivers": (terms.receivers, "nobody may receive a result"),
        "datasets": (terms.datasets, "there is nothing to compute on"),
    }
    for clause, (values, text) in empty.items():
        if not values:
            yield _error(f"contract.toml: {clause}", f"the list is empty, so {text}", "fill it")


def _no_purpose(terms: ContractTerms) -> Iterator[Finding]:
    drafted = {"purpose": NO_PURPOSE, "purpose_code": NO_PURPOSE_CODE}
    for clause, reminder in drafted.items():
        if getattr(terms, clause) == reminder:
            yield _warning(
                f"contract.toml: {clause}",
                "it is still the draft's own words",
                "write what the results are for: a purpose binds everybody who receives them",
            )


def _times(terms: ContractTerms, at: dt.datetime) -> Iterator[Finding]:
    if at >= terms.expires:
        yield _error(
            "contract.toml: expires",
            f"the contract ended at {format_time(terms.expires)}",
            "agree on a new contract that names this one as its predecessor",
        )


def _weak_runner(terms: ContractTerms) -> Iterator[Finding]:
    yield from lint_profile(terms.attestation)
    if terms.sandbox is SandboxLevel.PROCESS:
        yield _warning(
            "contract.toml: sandbox",
            "analysis code would run without a kernel sandbox",
            "write sandbox = 'full' where the runner offers it",
        )


def lint_profile(profile: AttestationProfile) -> tuple[Finding, ...]:
    """List findings about an attestation profile, worst first."""
    return _sorted(
        [
            *_unfilled(profile),
            *_vouching(profile),
            *_weak_platform(profile),
            *_open_terms(profile),
        ]
    )


def _unfilled(profile: AttestationProfile) -> Iterator[Finding]:
    terms = describe_profile(profile)
    for name in sorted(profile.platforms - set(PLATFORM_CLAUSES)):
        yield _error(
            "contract.toml: attestation.platforms",
            f"{name!r} is no platform that this version can verify",
            f"write one of {', '.join(sorted(PLATFORM_CLAUSES))}",
        )
    for place, text in terms.items():
        either = next((pair for pair in _EITHER if place in pair), frozenset())
        filled = any(terms[name] != EMPTY for name in either)
        if text == EMPTY and place not in MAY_BE_EMPTY and not filled:
            yield _error(
                f"contract.toml: {place}", "the list is empty, so it accepts nothing", "fill it"
            )


def _vouching(profile: AttestationProfile) -> Iterator[Finding]:
    if "maa-jwt" in profile.platforms and not profile.key_sets:
        yield _error(
            "contract.toml: attestation.key_sets",
            "no key set is vouched for, so no token of the service is believed",
            "fetch the issuer's key set, and list its SHA-256 and the time",
        )


def _weak_platform(profile: AttestationProfile) -> Iterator[Finding]:
    for name in sorted(profile.platforms & STAND_ALONE):
        yield _warning(
            "contract.toml: attestation.platforms",
            f"a {name} platform hides nothing from whoever runs the machine",
            "use it with invented data only",
        )
    if not isinstance(profile.debug, Forbidden):
        yield _warning(
            "contract.toml: attestation.debug",
            "a runner with debugging enabled hides nothing from whoever runs the machine",
            "write debug = 'forbidden'",
        )


def _open_terms(profile: AttestationProfile) -> Iterator[Finding]:
    for waiver in waivers(profile):
        yield _warning(
            "contract.toml: attestation",
            f"waived: {waiver}",
            "write 'required' where the machine offers it",
        )
    for place, text in describe_clauses(profile).items():
        if text == "any" and place not in MAY_BE_ANY:
            yield _warning(
                f"contract.toml: attestation.{place}",
                "every value is accepted",
                "list what you know; another genuine machine could take this one's place",
            )


def _owners(terms: ContractTerms) -> Iterator[Finding]:
    owning = {dataset.owner for dataset in terms.datasets}
    for name in terms.owners:
        if name not in owning:
            yield _warning(
                f"contract.toml: parties.{name}.roles",
                "an owner without a dataset must still answer every run with its broker",
                "remove the role owner, or add its dataset",
            )


def _links(terms: ContractTerms, policies: Mapping[str, Policy]) -> Iterator[Finding]:
    for number, link in enumerate(terms.links, start=1):
        sides = {split_column(reference)[0] for reference in (link.left, link.right)}
        if sides <= policies.keys() and not _joinable(link, policies):
            yield _warning(
                f"contract.toml: links[{number}]",
                "one of the two policies does not allow this join",
                "name the other dataset in joins.datasets and the column in compare.column",
            )


def _joinable(link: Link, policies: Mapping[str, Policy]) -> bool:
    (left, left_column), (right, right_column) = split_column(link.left), split_column(link.right)
    return all(
        other in policies[own].joins
        and (policies[own].is_public or column in policies[own].compare_column)
        for own, column, other in ((left, left_column, right), (right, right_column, left))
    )


def _receivers(terms: ContractTerms, policy: Policy) -> Iterator[Finding]:
    if terms.receivers and not terms.receivers & policy.receivers:
        yield _error(
            f"{_place(policy)}: receivers",
            "no receiver of the contract may receive results from this dataset",
            "agree on a receiver that the policy names too",
        )


def _never_leaves(terms: PolicyTerms) -> Iterator[Finding]:
    empty = {
        "kinds": (terms.kinds, "no kind of analysis may touch the dataset"),
        "receivers": (terms.receivers, "nobody may receive a result"),
        "releases": (
            min(terms.releases_per_receiver, terms.releases_total),
            "no release is allowed",
        ),
    }
    for clause, (values, text) in empty.items():
        if not values:
            yield _error(f"{_place(terms)}: {clause}", text, "fill it, if something shall leave")


def _weak_rules(terms: PolicyTerms) -> Iterator[Finding]:
    if terms.threshold < WEAK_THRESHOLD:
        yield _warning(
            f"{_place(terms)}: threshold.units",
            f"groups of fewer than {WEAK_THRESHOLD} are easy to recognise",
            f"write at least {WEAK_THRESHOLD}",
        )
    if terms.difference < terms.threshold:
        yield _warning(
            f"{_place(terms)}: difference.units",
            "two results may together tell about fewer units than one alone",
            "write at least the threshold",
        )
    if terms.zeros == "release":
        yield _warning(
            f"{_place(terms)}: zeros",
            "a shown zero says of everybody in a group that something is not so",
            "write zeros = 'suppress'",
        )
    if terms.releases_per_receiver > terms.releases_total:
        yield _warning(
            f"{_place(terms)}: releases.per_receiver",
            "one receiver may not get more than there are in all",
            "write at most the total",
        )


def _no_join(terms: PolicyTerms) -> Iterator[Finding]:
    if terms.joins and not terms.compare_column:
        yield _warning(
            f"{_place(terms)}: compare.column",
            "joins are allowed, but no column may meet another one",
            "name the key columns that join",
        )


def _place(terms: PolicyTerms) -> str:
    return f"datasets/{terms.dataset}/policy.toml"


def _error(place: str, text: str, fix: str) -> Finding:
    return Finding(severity=Severity.ERROR, place=place, text=text, fix=fix)


def _warning(place: str, text: str, fix: str) -> Finding:
    return Finding(severity=Severity.WARNING, place=place, text=text, fix=fix)


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.severity is Severity.WARNING))
