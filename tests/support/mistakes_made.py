# SPDX-License-Identifier: Apache-2.0
"""Make a known mistake of verifiers, and see whether the test that stands for it notices.

Rows are those of ``docs/protocol/verifier-mistakes.md``; here each is written as the change of
our source that would make the mistake. The code of the changed functions takes the place of
their own in this process, and the row's test runs against it.

``python -m tests.support.mistakes_made [--sample N] [--seed S]`` prints one line a mistake.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from random import Random  # noqa: TID251 - a seeded sample
from types import CodeType, FunctionType, ModuleType

import pytest

from cleanroom.attestation.certificates import forget_issued
from cleanroom.attestation.platforms.nvidia_gpu.manifest import forget_manifests
from cleanroom.attestation.platforms.sev_snp.vek import forget_veks
from tests.support.known_mistakes import CHANGES, WITHOUT_ONE_CHECK, Change
from tests.support.source_tree import ROOT

PAGE = ROOT / "docs" / "protocol" / "verifier-mistakes.md"
ROW = re.compile(
    r"^\| (?P<mistake>[^|]+) \| `(?P<test>tests/[\w/]+\.py::test_\w+)` \|$", re.MULTILINE
)


def rows() -> dict[str, str]:
    """Return every row of the page: the mistake to the test that stands for it."""
    return {row["mistake"]: row["test"] for row in ROW.finditer(PAGE.read_text("utf-8"))}


def row_test(beginning: str) -> str:
    """Return the test of the one row that begins so."""
    (test,) = [test for mistake, test in rows().items() if mistake.startswith(beginning)]
    return test


@contextlib.contextmanager
def made(change: Change) -> Iterator[None]:
    """Run with the mistake in place of our check."""
    name, old, new = change
    module = importlib.import_module(f"cleanroom.attestation.{name}")
    source = inspect.getsource(module)
    if source.count(old) != 1:
        message = f"{name}: {source.count(old)} places read {old!r}, agreed one"
        raise ValueError(message)
    path = str(module.__file__)
    changed = _codes(compile(source.replace(old, new), path, "exec"))
    originals: list[tuple[FunctionType, CodeType]] = []
    for function in _functions(module):
        code = changed.get(function.__qualname__)
        if code is not None and code != function.__code__:
            originals.append((function, function.__code__))
            function.__code__ = code
    forget_all()
    try:
        yield
    finally:
        for function, code in originals:
            function.__code__ = code
        forget_all()


def forget_all() -> None:
    """Forget what verifiers remember: our verdicts before a mistake, and its own behind it."""
    for forget in (forget_issued, forget_manifests, forget_veks):
        forget()


def _codes(code: CodeType) -> dict[str, CodeType]:
    found: dict[str, CodeType] = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= {constant.co_qualname: constant} | _codes(constant)
    return found


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in list(vars(module).values()):
        members = list(vars(value).values()) if isinstance(value, type) else [value]
        for member in members:
            plain = member.fget if isinstance(member, property) else member
            plain = getattr(plain, "__wrapped__", plain)
            if isinstance(plain, FunctionType) and plain.__module__ == module.__name__:
                yield plain


def notices(beginning: str) -> bool:
    """Tell whether the row's test turns red under its mistake."""
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(row_test(beginning))]
    quiet = io.StringIO()
    with (
        made(CHANGES[beginning]),
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        return pytest.main(arguments) == pytest.ExitCode.TESTS_FAILED


def unwritten() -> list[str]:
    """Name the rows of the page that have neither a change here nor a reason to have none."""
    known = (*CHANGES, *WITHOUT_ONE_CHECK)
    return [mistake for mistake in rows() if not mistake.startswith(known)]


def chosen(*, sample: int, seed: int) -> Sequence[str]:
    """Pick some mistakes, or all of them if ``sample`` is 0."""
    found = sorted(CHANGES)
    return Random(seed).sample(found, sample) if sample else found  # noqa: S311 - a sample


def main() -> int:
    """Make the mistakes one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    unnoticed = []
    tried = chosen(sample=options.sample, seed=options.seed)
    for mistake in tried:
        noticed = notices(mistake)
        print(f"{'red     ' if noticed else 'UNNOTICED'} {mistake}", file=sys.stderr)  # noqa: T201
        unnoticed += [] if noticed else [mistake]
    sys.stdout.write(json.dumps({"mistakes": len(tried), "unnoticed": unnoticed}) + "\n")
    return int(bool(unnoticed))


if __name__ == "__main__":
    sys.exit(main())
