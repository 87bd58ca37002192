# SPDX-License-Identifier: Apache-2.0
"""The documents that a receipt names, fetched from a room by digest.

A room may have moved on since the run: a newer contract, another data version,
a withdrawn approval. What counts is what was signed then, so everything is asked
for by its digest, and the receipt's word for a digest is checked afterwards.
"""

from __future__ import annotations

from cleanroom.contract import places
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
    file = room.find(places.CONTRACT, body.contract.digest)
    contract = parse_contract(file.data)
    return ContractBundle(
        contract=file,
        parties={
            party.name: room.find(places.party_file(party.name), party.document)
            for party in contract.parties
        },
        datasets={
            use.lineage: room.find(places.dataset_file(use.lineage), use.version)
            for use in body.datasets
        },
        policies={
            dataset.lineage: room.find(places.policy_file(dataset.lineage), dataset.policy)
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
    name = body.query.name
    query = room.find(places.query_file(name), body.query.digest)
    return RunBundle(
        agreement=agreement,
        query=query,
        code={
            code.file: room.find(places.code_file(name, code.file), code.digest).data
            for code in parse_query(query.data).code
        },
        approvals={
            party: room.find(places.approval_file(name, party), digest)
            for party, digest in body.approvals.items()
        },
        run=room.find(places.run_file(body.run), body.run_request),
        revocations=(),
    )
