# SPDX-License-Identifier: Apache-2.0
"""Delete one check of the gate at a time, and see whether any test notices.

Checks are found in the source: a condition that refuses, a call that requires, a rule that
tells. A mutant is the same function with one of them gone; its code takes the place of the
function's own in this process, so every caller runs it, and the tests run against it.

``python -m tests.support.mutants PACKAGE... [--sample N] [--seed S] [--workers W]`` prints each
mutant as it is judged, and at the end the survivors as JSON. All of the gate:
``python -m tests.support.mutants all --workers 16``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import inspect
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random  # noqa: TID251 - a seeded sample
from types import CodeType, FunctionType

import pytest

from tests.support.gate_corpus import load
from tests.support.source_tree import ROOT

REFUSING = ("refuse", "_refuse", "unknown", "_unknown", "_contradiction", "malformed")
REQUIRING = ("require", "_require")
# A rule that tells instead of refusing; without it, it tells that all is well.
TELLING = ("is_", "has_", "can_", "lacks_", "_is_", "_has_", "_can_", "_lacks_", "too_")
SUITES = {
    "admission": ("tests/unit/admission", "tests/adversarial/test_analyst_*.py"),
    "disclosure": ("tests/unit/disclosure", "tests/adversarial/test_analyst_*.py"),
    "bound_plan": ("tests/unit/bound_plan", "tests/adversarial/test_analyst_captures_names.py"),
    "second_reading": ("tests/unit/second_reading",),
}
TELLERS = frozenset({"disclosure"})
Site = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One function without one of its checks."""

    module: str
    function: str
    line: int
    what: str
    code: CodeType

    @property
    def name(self) -> str:
        """Name the check so that a reader finds it."""
        return f"{self.module}.{self.function} line {self.line}: {self.what}"


def discover(package: str) -> Iterator[Mutant]:
    """Find every check of a package and make the mutant without it."""
    for path in sorted((ROOT / "cleanroom" / package).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for site, line, what, owner in _sites(tree, telling=package in TELLERS):
            with _without(site):
                code = _code_of(compile(_alone(tree, owner), str(path), "exec"), owner)
            if code is not None:
                yield Mutant(
                    module=module.removesuffix(".__init__"),
                    function=owner,
                    line=line,
                    what=what,
                    code=code,
                )


def _sites(tree: ast.Module, *, telling: bool) -> Iterator[tuple[ast.AST, int, str, str]]:
    """Pick the nodes of the tree that check something."""
    owners = dict(_owners(tree))
    for node in ast.walk(tree):
        owner = owners.get(id(node))
        if owner is None:
            continue
        what = _checks(node, owner, telling=telling)
        if what:
            yield node, node.lineno, what, owner


def _owners(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Say in which function or method of the module each node is."""
    for statement in tree.body:
        functions = [statement] if isinstance(statement, ast.FunctionDef) else []
        prefix = ""
        if isinstance(statement, ast.ClassDef):
            functions = [node for node in statement.body if isinstance(node, ast.FunctionDef)]
            prefix = f"{statement.name}."
        for function in functions:
            for node in ast.walk(function):
                yield id(node), prefix + function.name


def _checks(node: ast.AST, owner: str, *, telling: bool) -> str:
    match node:
        case ast.If(body=[*_, last]) if _refuses(last):
            return "if"
        case ast.For(body=[only]) if _refuses(only):
            return "for"
        case ast.Expr(value=ast.Call() as call) if _called(call).startswith(REQUIRING):
            return _called(call)
        case ast.FunctionDef() if telling and node.name.startswith(TELLING):
            return "tells" if owner.endswith(node.name) else ""
    return ""


def _refuses(statement: ast.stmt) -> bool:
    match statement:
        case ast.Raise():
            return True
        case ast.Expr(value=ast.Call() as call) | ast.Return(value=ast.Call() as call):
            return _called(call).startswith(REFUSING)
    return False


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


@contextlib.contextmanager
def _without(node: ast.AST) -> Iterator[None]:
    """Take the check out of its tree until the block ends."""
    match node:
        case ast.If():
            name, instead = "test", ast.Constant(value=False)
        case ast.For():
            name, instead = "iter", ast.Tuple(elts=[], ctx=ast.Load())
        case ast.Expr():
            name, instead = "value", ast.Constant(value=None)
        case ast.FunctionDef():
            name, instead = "body", [ast.Return(value=ast.Constant(value=False))]
    there = getattr(node, name)
    setattr(node, name, instead)
    ast.fix_missing_locations(node)
    try:
        yield
    finally:
        setattr(node, name, there)


def _alone(tree: ast.Module, owner: str) -> ast.Module:
    """Leave out what stands beside the function or class; a whole module takes long to compile."""
    name = owner.partition(".")[0]
    kept = [each for each in tree.body if getattr(each, "name", "") == name]
    return ast.Module(body=kept, type_ignores=[])


def _code_of(code: CodeType, qualname: str) -> CodeType | None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == qualname:
                return constant
            found = _code_of(constant, qualname)
            if found is not None:
                return found
    return None


def _function(mutant: Mutant) -> FunctionType:
    found: object = importlib.import_module(mutant.module)
    for part in mutant.function.split("."):
        found = inspect.getattr_static(found, part)
    if isinstance(found, property):
        found = found.fget
    while not isinstance(found, FunctionType):
        found = getattr(found, "__wrapped__", None) or found.__func__
    return found


@contextlib.contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Run with the mutant in place of its function."""
    function = _function(mutant)
    original = function.__code__
    function.__code__ = mutant.code
    try:
        yield
    finally:
        function.__code__ = original


def survives(mutant: Mutant, package: str) -> bool:
    """Tell whether no test notices that the check is gone."""
    with applied(mutant):
        return not (package == "admission" and _corpus_notices()) and not _tests_notice(package)


def _corpus_notices() -> bool:
    from cleanroom.admission.admit import admit  # noqa: PLC0415
    from cleanroom.errors import CleanroomError  # noqa: PLC0415 - after the mutant is in place
    from tests.support.gate_policies import corpus_catalog  # noqa: PLC0415
    from tests.support.gate_runs import types_of  # noqa: PLC0415

    catalog = corpus_catalog()
    for item in load("attacks.jsonl"):
        if item.acceptable != ("reject",):
            continue
        try:
            admit(item.sql.encode(), catalog=catalog, parameters=types_of(item.params))
        except CleanroomError:
            continue
        except Exception:  # noqa: BLE001 - a crash is noticed as well
            return True
        return True
    return False


def _tests_notice(package: str) -> bool:
    paths = [str(path) for suite in SUITES[package] for path in sorted(ROOT.glob(suite))]
    arguments = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist"]
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        return pytest.main([*arguments, *paths]) != pytest.ExitCode.OK


def chosen(package: str, *, sample: int, seed: int) -> Sequence[Mutant]:
    """Pick some mutants, or all of them if ``sample`` is 0."""
    found = list(discover(package))
    if not sample or sample >= len(found):
        return found
    return Random(seed).sample(found, sample)  # noqa: S311 - a sample


def survivors(mutants: Sequence[Mutant], package: str, report: Callable[[str], None]) -> list[str]:
    """Run every mutant and name the ones that nobody noticed."""
    found = []
    for mutant in mutants:
        alive = survives(mutant, package)
        report(f"{'SURVIVED' if alive else 'killed  '} {mutant.name}")
        found += [mutant.name] if alive else []
    return found


def _named(packages: Sequence[str]) -> list[str]:
    return sorted(SUITES) if "all" in packages else list(packages)


def _in_another_process(package: str, name: str) -> str:
    """Try one mutant where nothing of another one can be left behind; return its name if alive."""
    command = [sys.executable, "-m", "tests.support.mutants", package, "--only", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stderr.strip(), file=sys.stderr, flush=True)  # noqa: T201
    return name if done.returncode else ""


def _together(tried: Sequence[tuple[str, Mutant]], *, workers: int) -> list[str]:
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda pair: _in_another_process(pair[0], pair[1].name), tried)
        return [name for name in found if name]


def main() -> int:
    """Run the mutants of some packages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("package", choices=[*sorted(SUITES), "all"], nargs="+")
    parser.add_argument("--sample", type=int, default=0, help="of each package; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--only", default="", help="the mutants whose name has this in it")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    tried = [
        (package, mutant)
        for package in _named(options.package)
        for mutant in chosen(package, sample=options.sample, seed=options.seed)
        if options.only in mutant.name
    ]
    if options.list:
        sys.stdout.write("".join(f"{mutant.name}\n" for _, mutant in tried))
        return 0
    if options.workers > 1:
        alive = _together(tried, workers=options.workers)
    else:
        alive = [
            name
            for package, mutant in tried
            for name in survivors([mutant], package, lambda line: print(line, file=sys.stderr))  # noqa: T201
        ]
    sys.stdout.write(json.dumps({"mutants": len(tried), "survivors": alive}) + "\n")
    return int(bool(alive))


if __name__ == "__main__":
    sys.exit(main())
