# SPDX-License-Identifier: Apache-2.0
"""Public things say what they do, and what they refuse."""

from __future__ import annotations

import ast
import inspect

import pytest

from cleanroom import errors
from tests.support.source_tree import Function, functions, module_name, parsed, python_files

OURS = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.CleanroomError)
}
MODULES = {module_name(path): path for path in python_files("cleanroom")}


def raises_directly(function: Function) -> bool:
    return any(
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in OURS
        for node in ast.walk(function.node)
    )


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_has_a_docstring(module):
    tree = parsed(MODULES[module])
    assert ast.get_docstring(tree)
    public = [function for function in functions(MODULES[module]) if function.is_public]
    missing = [function.name for function in public if not ast.get_docstring(function.node)]
    classes = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert missing + classes == []


@pytest.mark.parametrize("module", MODULES)
def test_a_public_function_that_refuses_says_so(module):
    silent = [
        function.name
        for function in functions(MODULES[module])
        if function.is_public
        and raises_directly(function)
        and "Raises:" not in (ast.get_docstring(function.node) or "")
    ]
    assert silent == []


@pytest.mark.parametrize("module", MODULES)
def test_a_first_line_is_one_sentence(module):
    for function in functions(MODULES[module]):
        text = ast.get_docstring(function.node)
        if text:
            assert text.splitlines()[0].endswith((".", ":", "?")), function.name
