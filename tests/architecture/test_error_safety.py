# SPDX-License-Identifier: Apache-2.0
"""No message is made of another library's words: those quote cells, rows and paths."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import pytest

from cleanroom import errors
from tests.support.source_tree import called_name, modules_by_package, parsed

OURS = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.CleanroomError)
}
PACKAGES = modules_by_package()
# The engine alone meets errors whose text and number nobody can foresee.
MAY_CATCH_ALL = "cleanroom.engine"
# Whatever an analyst's code raises, a class and a line of it leave; on invented rows, all of it.
WATCHED = "cleanroom.runner.analysis.watched"
RUNS_FOREIGN_CODE = ("cleanroom.runner.analysis.code_child ", f"{WATCHED} ")
# The last handler of a command: a defect leaves as class and line of ours, never as its words.
TELLS_DEFECTS = "cleanroom.cli.main "
ALL = {"Exception", "BaseException"}
TALKERS = {"str", "repr", "format", "print", "print_exc", "format_exc", "print_exception"}


def nodes(package: str) -> Iterator[tuple[str, ast.AST]]:
    for module, path in PACKAGES[package].items():
        for node in ast.walk(parsed(path)):
            yield f"{module} line {getattr(node, 'lineno', 0)}", node


def calls(package: str) -> Iterator[tuple[str, ast.Call]]:
    return ((place, node) for place, node in nodes(package) if isinstance(node, ast.Call))


def handlers(package: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
    return ((place, node) for place, node in nodes(package) if isinstance(node, ast.ExceptHandler))


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


def passes_on(handler: ast.ExceptHandler) -> bool:
    # Cleaning up and passing the same error on catches nothing.
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize("package", sorted(PACKAGES.keys() - {MAY_CATCH_ALL}))
def test_only_the_engine_catches_everything(package):
    found = [
        place
        for place, handler in handlers(package)
        if handler.type is None or (caught(handler) & ALL and not passes_on(handler))
    ]
    found += [
        place
        for place, call in calls(package)
        if called_name(call) == "suppress"
        and {getattr(arg, "id", getattr(arg, "attr", "")) for arg in call.args} & ALL
    ]
    assert [
        place for place in found if not place.startswith((*RUNS_FOREIGN_CODE, TELLS_DEFECTS))
    ] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_foreign_error_text_is_repeated(package):
    found = [
        place
        for place, handler in handlers(package)
        if handler.name is not None and not caught(handler) <= OURS
        for statement in handler.body
        for node in ast.walk(statement)
        if speaks_of(node, handler.name)
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_log_carries_a_trace_or_local_values(package):
    found = [
        place
        for place, call in calls(package)
        if "exc_info" in {keyword.arg for keyword in call.keywords}
        or called_name(call) in {"exception", "print_exc", "format_exc"}
    ]
    assert [place for place in found if not place.startswith(f"{WATCHED} ")] == []


def test_only_a_mock_run_is_watched():
    importers = {
        place.split()[0]
        for package in PACKAGES
        for place, node in nodes(package)
        if isinstance(node, ast.ImportFrom) and node.module == WATCHED
    }
    assert importers == {"cleanroom.runner.analysis.mock"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_check_is_an_assertion(package):
    assert [place for place, node in nodes(package) if isinstance(node, ast.Assert)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_has_a_stable_code(package):
    found = [
        place
        for place, call in calls(package)
        if called_name(call) in OURS and "code" not in {keyword.arg for keyword in call.keywords}
    ]
    assert found == []
