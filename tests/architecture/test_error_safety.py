# SPDX-License-Identifier: Apache-2.0
"""No message is made of another library's words: those quote cells, rows and paths."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import pytest

from cleanroom import errors
from tests.support.source_tree import called_name, module_name, parsed, python_files

OURS = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.CleanroomError)
}
MODULES = {module_name(path): path for path in python_files("cleanroom")}
# The engine alone meets errors whose text and number nobody can foresee.
MAY_CATCH_ALL = "cleanroom.engine"
ALL = {"Exception", "BaseException"}
TALKERS = {"str", "repr", "format", "print", "print_exc", "format_exc", "print_exception"}


def handlers(module: str) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(parsed(MODULES[module])):
        if isinstance(node, ast.ExceptHandler):
            yield node


def caught(handler: ast.ExceptHandler) -> set[str]:
    nodes = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {
        node.id if isinstance(node, ast.Name) else getattr(node, "attr", "everything")
        for node in nodes
    }


def speaks_of(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.FormattedValue):
        return isinstance(node.value, ast.Name) and node.value.id == name
    if isinstance(node, ast.Call) and called_name(node) in TALKERS:
        return any(isinstance(arg, ast.Name) and arg.id == name for arg in node.args)
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "args"
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    )


@pytest.mark.parametrize("module", MODULES)
def test_only_the_engine_catches_everything(module):
    if module.startswith(MAY_CATCH_ALL):
        return
    for handler in handlers(module):
        assert handler.type is not None, f"line {handler.lineno}"
        # Cleaning up and passing the same error on catches nothing.
        last = handler.body[-1]
        passes_on = isinstance(last, ast.Raise) and last.exc is None
        assert passes_on or not caught(handler) & ALL, f"line {handler.lineno}"
    for node in ast.walk(parsed(MODULES[module])):
        if isinstance(node, ast.Call) and called_name(node) == "suppress":
            names = {getattr(arg, "id", getattr(arg, "attr", "")) for arg in node.args}
            assert not names & ALL, f"line {node.lineno}"


@pytest.mark.parametrize("module", MODULES)
def test_no_foreign_error_text_is_repeated(module):
    for handler in handlers(module):
        if handler.name is None or caught(handler) <= OURS:
            continue
        for statement in handler.body:
            for node in ast.walk(statement):
                assert not speaks_of(node, handler.name), f"line {handler.lineno}"


@pytest.mark.parametrize("module", MODULES)
def test_no_log_carries_a_trace_or_local_values(module):
    for node in ast.walk(parsed(MODULES[module])):
        if isinstance(node, ast.Call):
            assert "exc_info" not in {keyword.arg for keyword in node.keywords}
            assert called_name(node) not in {"exception", "print_exc", "format_exc"}


@pytest.mark.parametrize("module", MODULES)
def test_no_check_is_an_assertion(module):
    found = [
        node.lineno for node in ast.walk(parsed(MODULES[module])) if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_every_error_has_a_stable_code():
    for module, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and called_name(node) in OURS:
                assert "code" in {keyword.arg for keyword in node.keywords}, (
                    f"{module} line {node.lineno}"
                )
