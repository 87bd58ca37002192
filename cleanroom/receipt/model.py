# SPDX-License-Identifier: Apache-2.0
"""The shape of a receipt: what the runner says about one run.

Nothing here is trusted. Every field is a claim that ``receipt.verify`` compares
with a document that somebody signed; the names follow ``docs/protocol/receipt.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from cleanroom.contract.statement_shapes import LoggedStatement, StateStep
from cleanroom.envelope.dsse import Envelope
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

RECEIPT_FORMAT = "cleanroom.receipt.v0"
RECEIPT_PREDICATE = "urn:cleanroom:receipt:v0"
RESULT_SUBJECT = "result.sealed"
NO_ENTRY = "none"


class Answered(Enum):
    """Where the answer came from; the state chain must agree with it.

    ``STORED`` repeats an earlier release word for word, so it adds no entry.
    ``REFUSED`` is a release too: it adds an entry, costs a use and is counted.
    """

    COMPUTED = "computed"
    STORED = "stored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A document by the name people use and the digest that counts."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetUse:
    """One dataset version whose key was released to the run.

    Attributes:
        lineage: ``<owner>.<table>``.
        owner: The party that sealed it.
        version: Digest of the ``dataset.toml`` used.
        number: Its version number, which only ever grows.
        policy: Digest of the output policy that governed it.
    """

    lineage: str
    owner: str
    version: Digest
    number: int
    policy: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """One disclosure rule as it was applied.

    Attributes:
        rule: Name of the rule, for example ``threshold``.
        parameters: The values applied; ratios are strings such as ``9/10``.
        verdict: ``held`` or ``withheld``.
        withheld: Band of how many rows this rule withheld, never a count; or ``all``.
    """

    rule: str
    parameters: Mapping[str, str | int]
    verdict: str
    withheld: str


# What a refusal of the gate lists, also when it is repeated from the history: there
# is no row whose rules could be listed, and silence would look like a missing rule.
NOTHING_RELEASED = (
    CheckRecord(rule="whole-result", parameters={}, verdict="withheld", withheld="all"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What confined the query: a level the contract can demand, and its layers."""

    level: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedResult:
    """The sealed result, known by digest and size only."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptBody:
    """Everything a run claims about itself, as the runner signs it.

    Attributes:
        run: Run identifier.
        contract: Name and digest of the contract.
        parties: Party name to digest of its party document.
        query: Name and digest of the query document.
        code: File name to digest of the code that was approved.
        approvals: Party name to digest of the approval that counted.
        run_request: Digest of the signed run request.
        submitter: Who signed it.
        parameters: The values bound, as the request gives them.
        receivers: Whom the result is sealed to.
        datasets: What was read.
        runtime_data: Exact canonical bytes that the evidence binds.
        evidence: The evidence as JSON.
        releases: Owner to the key release its broker signed.
        checks: Every disclosure rule, with the parameters applied.
        state: Disclosure history of every lineage read.
        answered: Where the answer came from.
        sandbox: What confined the query.
        versions: Component to version, as the runner saw them.
        result: The sealed result.
        platform: Attestation platform.
        banner: Loud text where the platform protects nothing, else empty.
    """

    run: str
    contract: Named
    parties: Mapping[str, Digest]
    query: Named
    code: Mapping[str, Digest]
    approvals: Mapping[str, Digest]
    run_request: Digest
    submitter: str
    parameters: Mapping[str, str | int]
    receivers: tuple[str, ...]
    datasets: tuple[DatasetUse, ...]
    runtime_data: bytes
    evidence: Mapping[str, Any]
    releases: Mapping[str, LoggedStatement]
    checks: tuple[CheckRecord, ...]
    state: tuple[StateStep, ...]
    answered: Answered
    sandbox: Sandbox
    versions: Mapping[str, str]
    result: SealedResult
    platform: str
    banner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedReceipt:
    """A receipt that parsed; nothing in it has been checked.

    Attributes:
        envelope: The runner's DSSE envelope, with the exact payload bytes.
        digest: Digest of the payload, which the brokers countersign.
        body: The claims.
        countersignatures: Owner to the commit its broker signed.
    """

    envelope: Envelope
    digest: Digest
    body: ReceiptBody
    countersignatures: Mapping[str, LoggedStatement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that every owner's broker countersigned what the runner prepared.

    Only ``receipt.build.countersign_receipt`` makes one. The runner hands out the
    sealed result against it and against nothing else.

    Attributes:
        data: Exact bytes of ``receipt.json``.
        digest: Digest of the statement's payload.
        body: What was countersigned.
    """

    data: bytes
    digest: Digest
    body: ReceiptBody
