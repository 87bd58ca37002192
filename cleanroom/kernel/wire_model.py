# SPDX-License-Identifier: Apache-2.0
"""Check the shape of foreign values against a strict pydantic model.

A validation error of pydantic quotes what it found. Only the place and the kind
of the first problem leave here, because error text is output like any other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cleanroom.errors import MalformedError

# A plugin is code of any distribution that happens to be installed, called with every
# value that is checked. Looking for one also reads the metadata of all of them.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"

_Model = TypeVar("_Model", bound=BaseModel)
_STRANGE = re.compile(r"[^A-Za-z0-9_.@-]")
_WORDS = {"missing": "is missing", "extra_forbidden": "is not a known key"}


class WireModel(BaseModel):
    """A shape at the edge: no unknown keys, no conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


def _never() -> bool:
    return False


def build_models(base: type[BaseModel] = WireModel, *, until: Callable[[], bool] = _never) -> None:
    """Build what the loaded models below one check with, for a process that waits anyway.

    Elsewhere each is built when it is first used: many are never used by one command. All
    those of a run take 0.1 s of processor time.

    Args:
        base: Itself is not built.
        until: Asked before each model whether there is something else to do.
    """
    for model in base.__subclasses__():
        if until():
            return
        model.model_rebuild()
        build_models(model, until=until)


def validate_shape(model: type[_Model], value: object, *, what: str) -> _Model:
    """Return the value as an instance of the model.

    Raises:
        MalformedError: A key is missing, unknown, or of another type.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problem = _first_problem(error)
    # Raised outside the handler: a chained validation error would carry the input.
    raise MalformedError(f"{what}: {problem}", code="format.shape")


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(_STRANGE.sub("?", str(part))[:64] for part in first["loc"]) or "document"
    words = _WORDS.get(first["type"], f"does not fit ({first['type']})")
    return f"{place} {words}"
