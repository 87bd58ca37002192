# SPDX-License-Identifier: Apache-2.0
"""May this run happen now? The only place that mints an ApprovedRun.

Key brokers, the runner and whoever verifies a receipt all ask here, each for
itself, with the same documents and its own or the brokers' signed time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approval import Approval
from cleanroom.contract.bundle import RunBundle
from cleanroom.contract.contract import Contract
from cleanroom.contract.policy import Role
from cleanroom.contract.query import ParameterValue, Query, require_value
from cleanroom.contract.quorum import require_quorum
from cleanroom.contract.resources import Resources
from cleanroom.contract.run_documents import read_run_documents
from cleanroom.contract.run_request import RunRequest
from cleanroom.contract.withdrawal import Reliance, require_nothing_withdrawn
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import RefusedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedRun:
    """Proof that one run was asked for and approved by all who must.

    Attributes:
        agreement: What the parties agreed.
        query: The query document.
        code: Code files by name, equal to the approved digests.
        approvals: The approvals that count, sorted by approver.
        request: The run request.
        parameters: Its values, each inside the approved domain.
    """

    agreement: Agreement
    query: Query
    code: Mapping[str, bytes]
    approvals: tuple[Approval, ...]
    request: RunRequest
    parameters: Mapping[str, ParameterValue]

    @property
    def resources(self) -> Resources:
        """What the run may spend: the stricter of query and contract, clause by clause."""
        return self.query.resources.within(self.agreement.contract.resources)


def approve_run(
    agreement: Agreement,
    bundle: RunBundle,
    *,
    at: dt.datetime,
    withdrawn: Iterable[SignedFile] = (),
) -> ApprovedRun:
    """Verify that a run was asked for and approved, at a given time.

    Args:
        agreement: What the parties agreed.
        bundle: The documents of the run; nothing in them is believed.
        at: The time of the decision: a broker's clock, or the time a broker signed.
        withdrawn: Revocations and rejections that the caller knows although the
            room may hide them (T-06). They win over everything in the bundle.

    Raises:
        MalformedError: A document is not what it claims to be.
        IntegrityError: A document, signature or code file is not the one named.
        RefusedError: Everything is genuine, and a rule says no.
    """
    contract = agreement.contract
    # 1. The bundle is of this agreement, not of another room or of an earlier
    #    contract with other terms (T-02, T-17, T-20).
    contract.digest.require(Digest.of(bundle.agreement.contract.data), what="contract.toml")
    # 2. Every document of the run is signed by the party that it names, the query
    #    is the one requested and the code the one it names, to the byte (T-09, T-17).
    documents = read_run_documents(agreement, bundle, withdrawn=withdrawn)
    request, query = documents.request, documents.query
    # 3. The contract is in force (T-20).
    _require_in_force(contract, at)
    # 4. Who asks may ask, under this contract: nobody else starts a run, the
    #    operator included (T-07), and no request can be kept for later (T-05, T-17).
    _require_request(request, contract, at)
    # 5. It reads sealed datasets of the contract, and columns that are not blocked (T-08).
    _require_datasets(query, agreement)
    # 6. Every owner whose data it touches allows this kind of analysis (T-08).
    _require_kind(query, agreement)
    # 7. Receivers narrow from policies and contract to query to request; nobody
    #    is added on the way (T-13).
    _require_receivers(request, query, agreement)
    # 8. Everyone who must approve did, for this contract and these bytes, and
    #    their latest word still stands (T-06, T-09, T-20).
    approvals = require_quorum(documents.approvals, contract=contract, query=query, at=at)
    # 9. Nobody took back contract, dataset, query, approval or a key behind any
    #    of these signatures (T-06, T-16).
    require_nothing_withdrawn(
        documents.revocations,
        reliance=Reliance(
            agreement=agreement,
            query=query,
            approvals=approvals,
            signed_with=documents.signed_with,
        ),
        at=at,
    )
    # 10. Exactly the declared parameters, each with one of its approved values (T-12).
    _require_parameters(request, query)
    return ApprovedRun(
        agreement=agreement,
        query=query,
        code=dict(bundle.code),
        approvals=approvals,
        request=request,
        parameters=dict(request.parameters),
    )


def _require_in_force(contract: Contract, at: dt.datetime) -> None:
    if at < contract.not_before:
        raise RefusedError(
            f"contract.toml: not_before: found {format_time(at)}, "
            f"agreed from {format_time(contract.not_before)}",
            code="contract.not-yet",
            hint="wait, or agree on a contract that starts earlier",
        )
    if at >= contract.expires:
        raise RefusedError(
            f"contract.toml: expires: found {format_time(at)}, "
            f"agreed before {format_time(contract.expires)}",
            code="contract.expired",
            hint="agree on a new contract that names this one as its predecessor",
        )


def _require_request(request: RunRequest, contract: Contract, at: dt.datetime) -> None:
    if request.submitter not in contract.submitters:
        raise RefusedError(
            f"run.toml: submitter: found {request.submitter!r}, "
            f"agreed one of {_list(contract.submitters)}",
            code="run.submitter",
            hint="ask a party that the contract lets submit",
        )
    contract.digest.require(request.contract, what="run.toml: contract")
    if at >= request.expires:
        raise RefusedError(
            f"run.toml: expires: found {format_time(at)}, "
            f"agreed before {format_time(request.expires)}",
            code="run.expired",
            hint="sign a new run request",
        )


def _require_datasets(query: Query, agreement: Agreement) -> None:
    for lineage, columns in query.datasets.items():
        if lineage not in agreement.contract.lineages:
            raise RefusedError(
                f"query.toml: datasets: found {lineage}, "
                f"agreed {_list(agreement.contract.lineages)}",
                code="query.dataset",
                hint="use datasets of the contract only",
            )
        if lineage not in agreement.datasets:
            raise RefusedError(
                f"datasets/{lineage}/dataset.toml: found no sealed version, agreed one",
                code="query.not-sealed",
                hint=f"ask {lineage.partition('.')[0]} to run cleanroom data seal",
            )
        _require_columns(lineage, columns, agreement)


def _require_columns(lineage: str, columns: Iterable[str], agreement: Agreement) -> None:
    # The policy speaks about exactly the sealed columns, as agree() made sure.
    roles = agreement.policies[lineage].columns
    for name in columns:
        if name not in roles:
            raise RefusedError(
                f"query.toml: datasets.{lineage}: found {name!r}, which is no column of it",
                code="query.column",
                hint="use columns of the sealed dataset only",
            )
        if roles[name].role is Role.BLOCKED:
            raise RefusedError(
                f"query.toml: datasets.{lineage}: found {name!r}, which its owner blocked",
                code="query.blocked",
                hint="leave the column out; only its owner can give it another role",
            )


def _require_kind(query: Query, agreement: Agreement) -> None:
    for lineage in query.datasets:
        kinds = agreement.policies[lineage].kinds
        if query.kind not in kinds:
            raise RefusedError(
                f"query.toml: kind: found {query.kind!r}, "
                f"the policy of {lineage} agreed {_list(kinds)}",
                code="query.kind",
                hint="only the owner can allow another kind of analysis, in its policy",
            )


def _require_receivers(request: RunRequest, query: Query, agreement: Agreement) -> None:
    allowed = {
        "the query": query.receivers,
        "the contract": agreement.contract.receivers,
        **{
            f"the policy of {lineage}": agreement.policies[lineage].receivers
            for lineage in query.datasets
        },
    }
    asked = {"run.toml": request.receivers, "query.toml": query.receivers}
    for document, receivers in asked.items():
        for place, agreed in allowed.items():
            for name in sorted(receivers - agreed):
                raise RefusedError(
                    f"{document}: receivers: found {name!r}, {place} agreed {_list(agreed)}",
                    code="run.receiver",
                    hint="name receivers that query, contract and every policy allow",
                )


def _require_parameters(request: RunRequest, query: Query) -> None:
    missing = query.parameters.keys() - request.parameters.keys()
    unknown = request.parameters.keys() - query.parameters.keys()
    for name in sorted(missing | unknown):
        raise RefusedError(
            f"run.toml: parameters.{name}: found {'no value' if name in missing else 'a value'}, "
            f"the query agreed {'one' if name in missing else 'no such parameter'}",
            code="run.parameter",
            hint=f"give exactly these: {_list(query.parameters)}",
        )
    for name, value in request.parameters.items():
        parameter = query.parameters[name]
        clause = f"parameters.{name}"
        require_value(value, parameter.type, what="run.toml", clause=clause)
        # The value is not quoted: it may be what somebody wants to know.
        if value not in parameter.values:
            raise RefusedError(
                f"run.toml: {clause}: found another value, "
                "agreed one of those that the query lists",
                code="run.parameter-value",
                hint="choose a listed value, or have a query with this value approved",
            )


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
