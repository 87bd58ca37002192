# SPDX-License-Identifier: Apache-2.0
"""The project's own files as trees of syntax, for rules about the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cleanroom"
_NOT_OURS = {".venv", "build", "dist", "cleanroom-demo"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function or method: where it is, and its syntax."""

    module: str
    name: str
    node: FunctionNode

    @property
    def is_public(self) -> bool:
        """Whether neither it nor a class around it is private; functions in functions are."""
        return not any(part.startswith(("_", "<")) for part in self.name.split("."))


def python_files(*directories: str) -> list[Path]:
    """List our own Python files below some directories of the checkout."""
    return sorted(
        path
        for directory in directories
        for path in (ROOT / directory).rglob("*.py")
        if not _NOT_OURS & set(path.relative_to(ROOT).parts)
    )


def module_name(path: Path) -> str:
    """Name a file as Python imports it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a file once."""
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def functions(path: Path) -> Iterator[Function]:
    """List every function of a file with its dotted name inside the module."""
    yield from _functions(parsed(path), module=module_name(path), prefix="")


def _functions(node: ast.AST, *, module: str, prefix: str) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, FunctionNode | ast.ClassDef):
            name = f"{prefix}.{child.name}" if prefix else child.name
        if isinstance(child, FunctionNode):
            yield Function(module=module, name=name, node=child)
            name = f"{name}.<local>"
        yield from _functions(child, module=module, prefix=name)


def modules_by_package() -> dict[str, dict[str, Path]]:
    """Group the product's modules by the layer they lie in."""
    found: dict[str, dict[str, Path]] = {}
    for path in python_files("cleanroom"):
        name = module_name(path)
        found.setdefault(".".join(name.split(".")[:2]), {})[name] = path
    return found


def called_name(call: ast.Call) -> str:
    """Return the last name of what is called; empty for anything else than a name."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


@cache
def calls_by_name(directory: str) -> dict[str, list[tuple[str, str]]]:
    """Return, by the last name of what is called, the module and innermost function of each call.

    Calls outside any function have an empty function name.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for path in python_files(directory):
        inside: dict[int, str] = {}
        for function in functions(path):
            inside |= {id(node): function.name for node in ast.walk(function.node)}
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                place = (module_name(path), inside.get(id(node), ""))
                found.setdefault(called_name(node), []).append(place)
    return found


@cache
def classes_by_name() -> dict[str, list[str]]:
    """Return, by class name, the modules of the product that define such a class."""
    found: dict[str, list[str]] = {}
    for path in python_files("cleanroom"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module_name(path))
    return found
