# SPDX-License-Identifier: Apache-2.0
"""Where each document lies in a room.

Every function takes names from documents and refuses those that are no names,
so a place is always below the room.
"""

from __future__ import annotations

from cleanroom.contract import types
from cleanroom.contract.types import require_form
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import (
    MAX_DATASET_BYTES,
    MAX_RECEIPT_BYTES,
    MAX_SEALED_RESULT_BYTES,
)

CONTRACT = "contract.toml"
REVOCATIONS = "revocations"
PARTIES = "parties"
QUERIES = "queries"
RECEIPT = "receipt.json"
RESULT = "result.sealed"


def party_file(party: str) -> str:
    """Place of a party document."""
    return f"{PARTIES}/{_name(party)}.toml"


def policy_file(lineage: str) -> str:
    """Place of an output policy."""
    return f"{dataset_directory(lineage)}/policy.toml"


def dataset_file(lineage: str) -> str:
    """Place of a dataset document."""
    return f"{dataset_directory(lineage)}/dataset.toml"


def dataset_directory(lineage: str) -> str:
    """Directory of a dataset; its sealed parts lie in ``parts/`` below."""
    lineage = require_form(lineage, types.LINEAGE, what="lineage", agreed="owner.table")
    return f"datasets/{lineage}"


def query_directory(query: str) -> str:
    """Directory of a query: its document, code and approvals."""
    return f"{QUERIES}/{_name(query)}"


def query_file(query: str) -> str:
    """Place of a query document."""
    return f"{query_directory(query)}/query.toml"


def code_file(query: str, file: str) -> str:
    """Place of a file of code."""
    file = require_form(file, types.CODE_FILE, what="code", agreed="a name such as query.sql")
    return f"{query_directory(query)}/{file}"


def approval_file(query: str, approver: str) -> str:
    """Place of one party's approval or rejection."""
    return f"{query_directory(query)}/approvals/{_name(approver)}.toml"


def run_directory(run: str) -> str:
    """Directory of a run: its request, receipt and sealed result."""
    return f"runs/{require_form(run, types.RUN, what='run', agreed='a run id')}"


def run_file(run: str) -> str:
    """Place of a run request."""
    return f"{run_directory(run)}/run.toml"


def revocation_file(party: str, digest: Digest) -> str:
    """Place of a revocation, named after its party and its own bytes."""
    return f"{REVOCATIONS}/{_name(party)}-{digest.hex[:12]}.toml"


def log_directory(party: str) -> str:
    """Directory with a copy of a party's broker log."""
    return f"log/{_name(party)}"


def approvals_directory(query: str) -> str:
    """Directory of all approvals of a query."""
    return f"{query_directory(query)}/approvals"


def receipt_file(run: str) -> str:
    """Place of a run's receipt."""
    return f"{run_directory(run)}/{RECEIPT}"


def result_file(run: str) -> str:
    """Place of a run's sealed result."""
    return f"{run_directory(run)}/{RESULT}"


def limit_of(relative: str) -> int:
    """Largest file, in bytes, that may lie at a place."""
    name = relative.rpartition("/")[2]
    return {RESULT: MAX_SEALED_RESULT_BYTES, RECEIPT: MAX_RECEIPT_BYTES}.get(
        name, MAX_DATASET_BYTES
    )


def signature_directory(relative: str) -> str:
    """Directory of the signatures of a document."""
    return f"{relative}.sig"


def signature_file(relative: str, party: str) -> str:
    """Place of one party's signature of a document."""
    return f"{signature_directory(relative)}/{_name(party)}.sig"


def archive_file(digest: Digest) -> str:
    """Place of bytes that were replaced, named after their digest."""
    return f"archive/{digest.hex}"


def _name(name: str) -> str:
    return require_form(name, types.NAME, what="name", agreed="a name such as 'hospital'")
