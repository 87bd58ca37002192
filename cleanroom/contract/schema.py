# SPDX-License-Identifier: Apache-2.0
"""Write what ``contracts/`` holds of our own: JSON schemas and annotated templates.

Both come from the code that reads and writes real documents. To bring them up
to date, run ``write_documents(Path("contracts"))``; a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from cleanroom.contract.approval import ApprovalWire
from cleanroom.contract.contract_wire import ContractWire
from cleanroom.contract.dataset import DatasetWire
from cleanroom.contract.policy_wire import PolicyWire, PublicPolicyWire
from cleanroom.contract.query import PythonQueryWire, QueryWire
from cleanroom.contract.revocation import RevocationWire
from cleanroom.contract.run_request import RunWire
from cleanroom.contract.templates import templates
from cleanroom.kernel.files import write_atomic
from cleanroom.kernel.wire_model import WireModel

_MODELS: tuple[tuple[str, type[WireModel]], ...] = (
    ("approval", ApprovalWire),
    ("contract", ContractWire),
    ("dataset", DatasetWire),
    ("policy", PolicyWire),
    ("policy-public", PublicPolicyWire),
    ("query", QueryWire),
    ("query-python", PythonQueryWire),
    ("revocation", RevocationWire),
    ("run", RunWire),
)


def schemas() -> dict[str, bytes]:
    """Return the JSON schema of every document by file name."""
    return {f"{name}.schema.json": _schema(name, model) for name, model in _MODELS}


def write_documents(directory: Path) -> None:
    """Write schemas and templates below ``contracts/``.

    Raises:
        UnavailableError: The disk refuses.
    """
    for name, data in schemas().items():
        write_atomic(directory / "schemas" / name, data)
    for name, data in templates().items():
        write_atomic(directory / "templates" / name, data)


def _schema(name: str, model: type[WireModel]) -> bytes:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:cleanroom:schema:{name}:v0",
        **model.model_json_schema(),
    }
    return (json.dumps(schema, indent=2, ensure_ascii=True) + "\n").encode("ascii")
