# SPDX-License-Identifier: Apache-2.0
"""The documents that a receipt names, fetched from a room by digest.

A room may have moved on since the run: a newer contract, another data version,
a withdrawn approval. What counts is what was signed then, so everything is asked
for by its digest, and the receipt's word for a digest is checked afterwards.
"""

from __future__ import annotations

from cleanroom.contract.bundle import ContractBundle, RunBundle
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.layout import DocumentSource
from cleanroom.contract.query import parse_query
from cleanroom.receipt.model import ReceiptBody


def contract_documents(body: ReceiptBody, *, room: DocumentSource) -> ContractBundle:
    """Fetch the contract, and the parties, policies and data versions that it fixes.

    Raises:
        MalformedError: The contract cannot be read.
        IntegrityError: The room holds no document with that digest.
        UnavailableError: The room holds no such document at all.
    """
    file = room.find("contract.toml", body.contract.digest)
    contract = parse_contract(file.data)
    return ContractBundle(
        contract=file,
        parties={
            party.name: room.find(f"parties/{party.name}.toml", party.document)
            for party in contract.parties
        },
        datasets={
            use.lineage: room.find(f"datasets/{use.lineage}/dataset.toml", use.version)
            for use in body.datasets
        },
        policies={
            dataset.lineage: room.find(f"datasets/{dataset.lineage}/policy.toml", dataset.policy)
            for dataset in contract.datasets
        },
    )


def run_documents(
    body: ReceiptBody, *, agreement: ContractBundle, room: DocumentSource
) -> RunBundle:
    """Fetch the query, its code, the approvals that counted, and the run request.

    Withdrawals are left out on purpose: the brokers judged them when they released
    the keys, and a later one does not change what happened.

    Raises:
        MalformedError: The query cannot be read.
        IntegrityError: The room holds no document with that digest.
        UnavailableError: The room holds no such document at all.
    """
    directory = f"queries/{body.query.name}"
    query = room.find(f"{directory}/query.toml", body.query.digest)
    return RunBundle(
        agreement=agreement,
        query=query,
        code={
            code.file: room.find(f"{directory}/{code.file}", code.digest).data
            for code in parse_query(query.data).code
        },
        approvals={
            party: room.find(f"{directory}/approvals/{party}.toml", digest)
            for party, digest in body.approvals.items()
        },
        run=room.find(f"runs/{body.run}/run.toml", body.run_request),
        revocations=(),
    )
