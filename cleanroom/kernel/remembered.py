# SPDX-License-Identifier: Apache-2.0
"""Remember what exact bytes say, so that nobody pays twice for reading them.

Only for functions whose answer follows from their arguments alone, for ever: parsing
a document, verifying a signature with a given key. Nothing that looks at a clock, a
pin, a revocation or a count may be remembered. Only answers are: whatever raised is
judged again. Arguments are compared whole, so no other bytes share an answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar, cast

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


def remembered(most: int) -> Callable[[Callable[_Given, _Answer]], Callable[_Given, _Answer]]:
    """Let a function remember its last answers; the least recently used go first.

    Args:
        most: How many answers are kept. Times the limit of what the function takes, it
            bounds the memory that strangers can fill.
    """

    def decorate(function: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
        known: Callable[..., _Answer] = functools.lru_cache(maxsize=most, typed=True)(function)
        defaults = getattr(function, "__kwdefaults__", None)
        if defaults:
            known = _with_all_named(known, defaults)
        # functools' own type would forget which arguments the function takes.
        return cast("Callable[_Given, _Answer]", functools.update_wrapper(known, function))

    return decorate


def _with_all_named(
    known: Callable[..., _Answer], defaults: Mapping[str, object]
) -> Callable[..., _Answer]:
    # To functools a default that is left out and the same value that is given are two
    # questions, so a document that two callers read was read twice.
    return lambda *given, **named: known(*given, **{**defaults, **named})
