# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses without generated code, which is half of what loading us took (ADR 0026).

The standard decorator writes and compiles six functions a class: 0.6 ms for each of the 380
classes that a runner loads before its job. Here it still collects the fields and makes the
slots, so that :mod:`dataclasses` treats our records as its own; the functions are written
once, below, and close over what differs between classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

T = TypeVar("T")
Members = tuple[dataclasses.Field[Any], ...]

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - type checkers know this one
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool) -> Callable[[type[T]], type[T]]:
        """Make a class a frozen record, as the standard decorator does when told these three.

        Raises:
            TypeError: One of the three is not asked for; there is no other form.
        """
        if not (frozen and slots and kw_only):
            raise TypeError("record: frozen, with slots, of keywords only")
        return _record


def _record(cls: type[T]) -> type[T]:
    own = vars(cls)
    make = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)
    made = make(cls)
    members: Members = dataclasses.fields(made)  # type: ignore[arg-type] # it is one now
    hashed = [item for item in members if (item.compare if item.hash is None else item.hash)]
    methods = {
        "__init__": _initialiser(made, members),
        "__repr__": _describer(item.name for item in members if item.repr),
        "__eq__": _comparer(_values(item.name for item in members if item.compare)),
        "__hash__": _hasher(_values(item.name for item in hashed)),
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__setstate__": _restore,
    }
    for name, method in methods.items():
        # What a class says of itself stays; beside an equality of its own Python puts no hash.
        if own.get(name) is None:
            setattr(made, name, method)
    return made


def _initialiser(cls: type[T], members: Members) -> Callable[..., None]:
    setters = tuple((item.name, getattr(cls, item.name).__set__) for item in members)
    defaults, factories = _defaults(members)
    after = getattr(cls, "__post_init__", _accept)

    def initialise(self: T, /, **given: Any) -> None:  # noqa: ANN401 - whatever its fields hold
        if len(given) != len(setters):
            given = defaults | given
            for name, make in factories:
                if name not in given:
                    given[name] = make()
        try:
            for name, put in setters:
                put(self, given[name])
        except KeyError:
            raise TypeError(f"{cls.__name__}: missing {name!r}") from None
        if len(given) != len(setters):
            raise TypeError(f"{cls.__name__}: unexpected {_unexpected(given, members)}")
        after(self)

    return initialise


def _accept(self: object) -> None:
    """Check nothing more, where a class has no check of its own."""


def _unexpected(given: Iterable[str], members: Members) -> str:
    known = {item.name for item in members}
    return ", ".join(repr(name) for name in given if name not in known)


def _defaults(members: Members) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]]:
    missing = dataclasses.MISSING
    made = [
        (item.name, item.default_factory) for item in members if item.default_factory is not missing
    ]
    return {item.name: item.default for item in members if item.default is not missing}, made


def _values(names: Iterable[str]) -> Callable[[object], tuple[Any, ...]]:
    match list(names):
        case []:
            return lambda _: ()
        case [name]:
            one = attrgetter(name)
            return lambda record: (one(record),)
        case several:
            return attrgetter(*several)


def _describer(names: Iterable[str]) -> Callable[[object], str]:
    shown = tuple(names)

    def describe(self: object) -> str:
        said = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({said})"

    return describe


def _comparer(values: Callable[[object], tuple[Any, ...]]) -> Callable[[object, object], object]:
    def equal(self: object, other: object) -> object:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    return equal


def _hasher(values: Callable[[object], tuple[Any, ...]]) -> Callable[[object], int]:
    return lambda self: hash(values(self))


def _refuse_to_set(self: object, name: str, value: object) -> NoReturn:
    del self, value
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> NoReturn:
    del self
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _restore(self: object, state: tuple[None, dict[str, Any]]) -> None:
    """Fill a copy, which the refusal to assign would otherwise forbid."""
    for name, value in state[1].items():
        object.__setattr__(self, name, value)
