# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from cleanroom.contract.contract import parse_contract
from cleanroom.contract.lint import Severity, lint_contract
from cleanroom.contract.policy import parse_policy
from cleanroom.contract.schema import schemas, write_documents
from cleanroom.contract.templates import templates
from tests.support.room_documents import NOW

CONTRACTS = Path(__file__).parents[3] / "contracts"


def test_schemas_and_templates_are_current(tmp_path):
    write_documents(tmp_path)
    written = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    committed = {
        str(path.relative_to(CONTRACTS)): path.read_bytes()
        for directory in ("schemas", "templates")
        for path in (CONTRACTS / directory).iterdir()
    }
    assert written == committed


@pytest.mark.parametrize("name", schemas())
def test_every_schema_refuses_unknown_clauses_and_names_its_format(name):
    schema = json.loads(schemas()[name])
    kind = name.partition(".")[0].removesuffix("-public").removesuffix("-python")
    assert schema["additionalProperties"] is False
    assert schema["properties"]["format"]["const"] == f"cleanroom.{kind}.v0"
    optional = {"resources"} if kind == "contract" else set()
    assert set(schema["required"]) | optional == set(schema["properties"])


@pytest.mark.parametrize("name", templates())
def test_every_template_is_a_valid_document_with_comments(name):
    data = templates()[name]
    parse = parse_contract if name == "two-party.toml" else parse_policy
    assert parse(data, what=name).raw == data
    assert data.startswith(b"# ")


def test_a_template_of_a_contract_gives_no_runner_any_key():
    contract = parse_contract(templates()["two-party.toml"])
    findings = lint_contract(contract, policies={}, at=NOW)
    assert [item.place for item in findings if item.severity is Severity.ERROR] == [
        "contract.toml: attestation.platforms",
        "contract.toml: attestation.measurements",
    ]
