# SPDX-License-Identifier: Apache-2.0
"""Public things say what they do, and what they refuse."""

from __future__ import annotations

import ast
import inspect

import pytest

from cleanroom import errors
from tests.support.source_tree import Function, functions, modules_by_package, parsed

OURS = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.CleanroomError)
}
PACKAGES = modules_by_package()


def raises_directly(function: Function) -> bool:
    return any(
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in OURS
        for node in ast.walk(function.node)
    )


def documented(node: ast.AST) -> bool:
    return bool(ast.get_docstring(node))


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_has_a_docstring(package):
    missing = []
    for module, path in PACKAGES[package].items():
        tree = parsed(path)
        missing += [] if documented(tree) else [module]
        missing += [
            f"{module}.{function.name}"
            for function in functions(path)
            if function.is_public and not documented(function.node)
        ]
        missing += [
            f"{module}.{node.name}"
            for node in tree.body
            if isinstance(node, ast.ClassDef)
            and not node.name.startswith("_")
            and not documented(node)
        ]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_function_that_refuses_says_so(package):
    silent = [
        f"{module}.{function.name}"
        for module, path in PACKAGES[package].items()
        for function in functions(path)
        if function.is_public
        and raises_directly(function)
        and "Raises:" not in (ast.get_docstring(function.node) or "")
    ]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_first_line_is_one_sentence(package):
    cut = [
        f"{module}.{function.name}"
        for module, path in PACKAGES[package].items()
        for function in functions(path)
        if (text := ast.get_docstring(function.node))
        and not text.splitlines()[0].endswith((".", ":", "?"))
    ]
    assert cut == []
