# SPDX-License-Identifier: Apache-2.0
"""A proof type is constructed in exactly one function, or it proves nothing."""

from __future__ import annotations

import ast

import pytest

from tests.support.source_tree import called_name, functions, parsed, python_files

MINTERS = {
    "Agreement": "cleanroom.contract.agreement",
    "ApprovedRun": "cleanroom.contract.approved_run",
    "AttestationResult": "cleanroom.attestation.appraisal",
    "KeyGrant": "cleanroom.keybroker.decision",
    "Receipt": "cleanroom.receipt.countersign",
    "Released": "cleanroom.disclosure.decide",
    "VerifiedReceipt": "cleanroom.receipt.verify",
}


def calls(name: str, *directories: str) -> list[tuple[str, str]]:
    innermost: dict[int, tuple[str, str]] = {}
    for path in python_files(*directories):
        for function in functions(path):
            for node in ast.walk(function.node):
                if isinstance(node, ast.Call) and called_name(node) == name:
                    innermost[id(node)] = (function.module, function.name)
    return sorted(innermost.values())


@pytest.mark.parametrize(("proof", "module"), MINTERS.items())
def test_a_proof_is_constructed_in_one_place_only(proof, module):
    places = calls(proof, "cleanroom")
    assert [place[0] for place in places] == [module]


@pytest.mark.parametrize("proof", MINTERS)
def test_a_proof_type_is_defined_once(proof):
    defined = [
        path
        for path in python_files("cleanroom")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and node.name == proof
    ]
    assert len(defined) == 1


@pytest.mark.parametrize("proof", MINTERS)
def test_tests_get_a_proof_by_going_through_its_minter(proof):
    assert calls(proof, "tests") == []


@pytest.mark.parametrize("proof", MINTERS)
def test_no_module_constructs_a_proof_outside_any_function(proof):
    inside = len(calls(proof, "cleanroom"))
    everywhere = sum(
        isinstance(node, ast.Call) and called_name(node) == proof
        for path in python_files("cleanroom")
        for node in ast.walk(parsed(path))
    )
    assert everywhere == inside
