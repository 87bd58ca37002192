# SPDX-License-Identifier: Apache-2.0
"""Does what the receipt says agree with what people signed?

Each function takes the claims and one signed source, and answers with the words
of its line. A field that no function here or in the other steps compares must not be in a receipt.
"""

from __future__ import annotations

from cleanroom.attestation.runtime_data import RuntimeData, parse_runtime_data
from cleanroom.contract import places
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.contract import SandboxLevel
from cleanroom.contract.layout import DocumentSource
from cleanroom.envelope.dsse import verify_envelope
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.model import DatasetUse, ReceiptBody, UnverifiedReceipt
from cleanroom.receipt.steps import Found, require_same

LOUD_LEVEL = "process: no kernel sandbox confined the query"


def verify_runtime_data(body: ReceiptBody, *, agreement: Agreement) -> Found[RuntimeData]:
    """Read what the evidence binds, and compare it with the receipt.

    Raises:
        MalformedError: Not runtime data.
        IntegrityError: It binds another contract, query, request or run, or
            nonces of others than exactly the owners.
    """
    runtime = parse_runtime_data(body.runtime_data)
    agreement.contract.digest.require(runtime.contract, what="runtime data: contract")
    body.query.digest.require(runtime.query, what="runtime data: query")
    body.run_request.require(runtime.run_request, what="runtime data: run request")
    source = "the runtime data"
    require_same(body.run, runtime.run, what="run", source=source)
    require_same(
        list(agreement.contract.owners), sorted(runtime.nonces), what="nonces", source=source
    )
    return Found(text=f"run {runtime.run}, runner {runtime.runner}", value=runtime)


def verify_signature(receipt: UnverifiedReceipt, *, runtime: RuntimeData) -> Found[None]:
    """Check that the key inside the attested runtime data signed the receipt.

    Raises:
        IntegrityError: Another key did, or the receipt was altered.
    """
    verify_envelope(receipt.envelope, runtime.sign_key, what="receipt")
    return Found(text="by the run key that the evidence binds", value=None)


def verify_request(body: ReceiptBody, *, run: ApprovedRun) -> Found[None]:
    """Compare query, code, approvals, submitter, parameters and receivers.

    Raises:
        IntegrityError: Any of them differs from what was signed.
    """
    query, request = run.query, run.request
    source = "the query"
    require_same(body.query.name, query.name, what="query", source=source)
    body.query.digest.require(query.digest, what="query")
    code = {item.file: item.digest for item in query.code}
    require_same(dict(body.code), code, what="code", source=source)
    approvals = {approval.approver: approval.digest for approval in run.approvals}
    require_same(dict(body.approvals), approvals, what="approvals", source="the approvals")
    source = "the run request"
    body.run_request.require(request.digest, what="run request")
    require_same(body.run, request.run, what="run", source=source)
    require_same(body.submitter, request.submitter, what="submitter", source=source)
    require_same(dict(body.parameters), dict(run.parameters), what="parameters", source=source)
    require_same(list(body.receivers), sorted(request.receivers), what="receivers", source=source)
    return Found(
        text=f"{query.name}, asked by {request.submitter} for {', '.join(body.receivers)}",
        value=None,
    )


def verify_datasets(body: ReceiptBody, *, run: ApprovedRun) -> Found[None]:
    """Compare the datasets read with the query, the owners' documents and the policies.

    Raises:
        IntegrityError: A dataset too many or too few, or another version or policy.
    """
    require_same(
        [use.lineage for use in body.datasets],
        sorted(run.query.datasets),
        what="datasets",
        source="the query",
    )
    agreement = run.agreement
    agreed = tuple(_as_agreed(use.lineage, agreement) for use in body.datasets)
    require_same(body.datasets, agreed, what="datasets", source="the dataset documents")
    versions = ", ".join(f"{use.lineage} version {use.number}" for use in body.datasets)
    return Found(text=versions or "none", value=None)


def _as_agreed(lineage: str, agreement: Agreement) -> DatasetUse:
    dataset = agreement.datasets[lineage]
    return DatasetUse(
        lineage=lineage,
        owner=dataset.owner,
        version=dataset.digest,
        number=dataset.version,
        policy=agreement.policies[lineage].digest,
    )


def verify_sandbox(body: ReceiptBody, *, agreement: Agreement) -> Found[None]:
    """Check that the query was confined at least as the contract asks.

    Raises:
        RefusedError: A weaker level than agreed.
        IntegrityError: A level beyond ``process`` without a layer that makes it one.
    """
    level, least = SandboxLevel(body.sandbox.level), agreement.contract.sandbox
    if not level.satisfies(least):
        raise RefusedError(
            f"sandbox: found {level}, agreed at least {least}",
            code="receipt.sandbox",
            hint="run it again on a machine that can confine the query as agreed",
        )
    layers = ", ".join(body.sandbox.layers)
    if level is SandboxLevel.PROCESS:
        return Found(text=LOUD_LEVEL, value=None)
    if not layers:
        raise IntegrityError(f"sandbox: {level} without any layer", code="receipt.sandbox")
    return Found(text=f"{level}: {layers}", value=None)


def verify_result(body: ReceiptBody, *, room: DocumentSource) -> Found[None]:
    """Compare the sealed result in the room with its digest and size.

    Raises:
        IntegrityError: Other bytes, or another size.
        UnavailableError: The room holds no result of this run.
    """
    sealed = room.find(places.result_file(body.run), body.result.digest).data
    body.result.digest.require(Digest.of(sealed), what="result.sealed")
    require_same(body.result.size, len(sealed), what="size", source="result.sealed")
    return Found(text=f"{body.result.digest}, {body.result.size} bytes", value=None)
