# SPDX-License-Identifier: Apache-2.0
"""Was this agreed, by whom, and do we know them? The only place that mints an Agreement.

Everything here is judged from bytes alone; the time is none of its business.
Whether the contract is in force is asked when a run asks for keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from cleanroom.contract.bundle import ContractBundle
from cleanroom.contract.contract import Contract, ContractDataset, parse_contract
from cleanroom.contract.coverage import require_coverage, require_links
from cleanroom.contract.dataset import Dataset, parse_dataset
from cleanroom.contract.policy import Policy, parse_policy
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import IdentityUnprovenError, IntegrityError, RefusedError
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


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
        signed_with: By party, the keys behind its signatures (SSH wire form), so
            that taking back a key also takes back what it signed.
    """

    contract: Contract
    parties: Mapping[str, PartyDocument]
    datasets: Mapping[str, Dataset]
    policies: Mapping[str, Policy]
    signed_with: Mapping[str, frozenset[bytes]]


def agree(bundle: ContractBundle, *, trust: Trust) -> Agreement:
    """Verify a contract and every document that it names.

    Args:
        bundle: The documents; nothing in them is believed.
        trust: Pinned party documents (one's own among them), or the contract's digest.

    Raises:
        MalformedError: A document is not what it claims to be.
        IntegrityError: A document or signature is not the one that was agreed.
        IdentityUnprovenError: Nobody compared the fingerprint of a party.
        RefusedError: A signature is missing, or documents do not fit together.
    """
    keys: _Keys = {}
    # 1. The contract reads in one way only, and names parties and documents.
    contract = parse_contract(bundle.contract.data)
    # 2. Exactly the documents it names: a stranger's document beside them is nobody's (T-03).
    _require_names(bundle, contract)
    # 3. Party documents are byte for byte those that were signed, so the operator
    #    cannot put its own keys into one (T-03).
    parties = _parties(bundle, contract)
    _require_own_keys(parties.values())
    # 4. Each party holds a key that its document lists; a document copied
    #    together from other people's keys stops here (T-03, T-17).
    for name, document in parties.items():
        _verify(bundle.parties[name], kind="party", signer=document, what=_party(name), keys=keys)
    # 5. Keys in a document prove nothing: somebody compared fingerprints, or
    #    knows the digest of this very contract (T-03).
    _require_identities(contract, parties, trust)
    # 6. Every party signed these bytes as a contract, not as something else (T-17).
    for name in sorted(parties):
        _verify(
            bundle.contract, kind="contract", signer=parties[name], what="contract.toml", keys=keys
        )
    _require_no_other_signatures(bundle.contract, contract)
    # 7. Each policy is the one all parties saw, for this dataset, by its owner (T-02, T-13).
    policies = {
        dataset.lineage: _policy(dataset, bundle, parties, keys) for dataset in contract.datasets
    }
    # 8. Each sealed version is its owner's, under that policy, with the agreed
    #    schema, and the pinned one if one is pinned (T-01, T-02).
    datasets = {
        dataset.lineage: _dataset(dataset, bundle, parties, keys)
        for dataset in contract.datasets
        if dataset.lineage in bundle.datasets
    }
    # 9. No column is without a role, and every role fits its type: a column that
    #    a policy forgot would be under no rule at all (T-08).
    for lineage, sealed in datasets.items():
        require_coverage(policies[lineage], sealed.columns, what=_policy_name(lineage))
    # 10. Links join identifiers of units, so that joined rows still name one person (T-13).
    require_links(contract.links, policies)
    return Agreement(
        contract=contract,
        parties=parties,
        datasets=datasets,
        policies=policies,
        signed_with={name: frozenset(used) for name, used in keys.items()},
    )


_Keys: TypeAlias = dict[str, set[bytes]]


def _verify(file: SignedFile, *, kind: str, signer: PartyDocument, what: str, keys: _Keys) -> None:
    key = verify_file(file, kind=kind, signer=signer, what=what)
    keys.setdefault(signer.name, set()).add(key.blob)


def _require_names(bundle: ContractBundle, contract: Contract) -> None:
    _require_same("parties", set(bundle.parties), contract.party_names)
    _require_same("policies", set(bundle.policies), contract.lineages)
    _require_same("datasets", set(bundle.datasets) | contract.lineages, contract.lineages)


def _require_same(clause: str, found: set[str], agreed: frozenset[str]) -> None:
    for name in sorted(agreed - found):
        raise RefusedError(
            f"contract.toml: {clause}: found no document of {name}, agreed one",
            code="agreement.absent",
            hint=f"ask {name.partition('.')[0]} to publish it in the room",
        )
    for name in sorted(found - agreed):
        raise RefusedError(
            f"contract.toml: {clause}: found a document of {name}, agreed none",
            code="agreement.stranger",
            hint="take it out of the bundle, or name it in the contract and sign again",
        )


def _parties(bundle: ContractBundle, contract: Contract) -> dict[str, PartyDocument]:
    parties = {}
    for party in contract.parties:
        what = _party(party.name)
        file = bundle.parties[party.name]
        party.document.require(Digest.of(file.data), what=what)
        document = parse_party(file.data, what=what)
        _require_text(what, "name", found=document.name, agreed=party.name)
        _require_only_signature(file, party.name, what=what)
        parties[party.name] = document
    return parties


def _require_own_keys(parties: Iterable[PartyDocument]) -> None:
    # One organisation under two names would count twice where two must agree.
    holders: dict[bytes, str] = {}
    for party in parties:
        for key in {key.raw for key in party.signing_keys} | {
            party.receiving_key,
            party.broker_key,
        }:
            other = holders.setdefault(key, party.name)
            if other != party.name:
                raise RefusedError(
                    f"{_party(party.name)}: found a key of {other}, agreed keys of its own",
                    code="agreement.shared-key",
                    hint="every party makes its own keys; ask both who holds this one",
                )


def _require_identities(
    contract: Contract, parties: Mapping[str, PartyDocument], trust: Trust
) -> None:
    if isinstance(trust, ContractDigest):
        trust.digest.require(contract.digest, what="contract.toml")
        return
    for name in sorted(parties):
        pinned = trust.documents.get(name)
        if pinned is None or pinned.digest != parties[name].digest:
            raise IdentityUnprovenError(
                f"identities unproven: {name}: found {parties[name].digest}, "
                f"pinned {'nothing' if pinned is None else pinned.digest}",
                code="identity.unproven",
                hint=f"compare this fingerprint with {name} over another channel, then run "
                f"cleanroom party trust ROOM/parties/{name}.toml",
            )


def _policy(
    dataset: ContractDataset,
    bundle: ContractBundle,
    parties: Mapping[str, PartyDocument],
    keys: _Keys,
) -> Policy:
    what = _policy_name(dataset.lineage)
    file = bundle.policies[dataset.lineage]
    dataset.policy.require(Digest.of(file.data), what=what)
    _verify(file, kind="policy", signer=parties[dataset.owner], what=what, keys=keys)
    _require_only_signature(file, dataset.owner, what=what)
    policy = parse_policy(file.data, what=what)
    _require_text(what, "dataset", found=policy.dataset, agreed=dataset.lineage)
    return policy


def _dataset(
    dataset: ContractDataset,
    bundle: ContractBundle,
    parties: Mapping[str, PartyDocument],
    keys: _Keys,
) -> Dataset:
    what = f"datasets/{dataset.lineage}/dataset.toml"
    file = bundle.datasets[dataset.lineage]
    if isinstance(dataset.version, Digest):
        dataset.version.require(Digest.of(file.data), what=what)
    _verify(file, kind="dataset", signer=parties[dataset.owner], what=what, keys=keys)
    _require_only_signature(file, dataset.owner, what=what)
    sealed = parse_dataset(file.data, what=what)
    _require_text(what, "lineage", found=sealed.lineage, agreed=dataset.lineage)
    dataset.policy.require(sealed.policy, what=f"{what}: policy")
    dataset.schema.require(sealed.schema, what=f"{what}: columns")
    return sealed


def _require_text(what: str, clause: str, *, found: str, agreed: str) -> None:
    if found != agreed:
        raise IntegrityError(
            f"{what}: {clause}: found {found!r}, agreed {agreed!r}",
            code="agreement.name",
            hint="the document belongs somewhere else; fetch the agreed one",
        )


def _require_only_signature(file: SignedFile, signer: str, *, what: str) -> None:
    for name in sorted(file.signatures.keys() - {signer}):
        raise RefusedError(
            f"{what}: found a signature of {name}, agreed only one of {signer}",
            code="signature.stranger",
            hint=f"remove {what}.sig/{name}.sig",
        )


def _require_no_other_signatures(file: SignedFile, contract: Contract) -> None:
    # A party that leaves signs the contract which replaces the one it was in.
    if contract.predecessor is not None:
        return
    for name in sorted(file.signatures.keys() - contract.party_names):
        raise RefusedError(
            f"contract.toml: found a signature of {name}, agreed only those of its parties",
            code="signature.stranger",
            hint=f"remove contract.toml.sig/{name}.sig",
        )


def _party(name: str) -> str:
    return f"parties/{name}.toml"


def _policy_name(lineage: str) -> str:
    return f"datasets/{lineage}/policy.toml"
