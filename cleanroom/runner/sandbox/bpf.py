# SPDX-License-Identifier: Apache-2.0
"""Write an allow-list of system calls as a classic BPF program.

The kernel runs it before every call of the process (``seccomp(2)``). It sees the
machine, the number and the six arguments as plain numbers, never what they point
at, so rules speak of flags and not of names or paths.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from cleanroom.kernel.record import dataclass
from cleanroom.runner.sandbox.syscalls import Machine

# linux/bpf_common.h
LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
MASK = 0x54  # BPF_ALU | BPF_AND | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

# linux/seccomp.h
ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
ERRNO = 0x00050000

# Offsets in struct seccomp_data; both machines are little endian.
_NUMBER = 0
_MACHINE = 4
_ARGUMENTS = 16
_ARGUMENT_BYTES = 8
_HALF_BYTES = 4

INSTRUCTION = struct.Struct("=HBBI")
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS

Instruction: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The bits of ``mask`` in an argument must be exactly ``value``.

    Only the low 32 bits are compared: the kernel takes these arguments as ints.
    """

    argument: int
    mask: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """An argument must be one of these numbers, which fit into 32 bits."""

    argument: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """A pointer must be null in all its 64 bits."""

    argument: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAll:
    """The bits of ``mask`` must not all be set."""

    argument: int
    mask: int


Condition: TypeAlias = Flags | OneOf | Null | NotAll


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a process may ask of the kernel.

    Attributes:
        plain: Calls allowed with any arguments.
        limited: Calls allowed when every condition holds.
        answered: Calls that fail with this error number, so that the caller tries another way.
        refused: Error number of everything else.
        limited_errors: Error number of a limited call whose conditions do not hold, where it
            is another than that.
    """

    plain: frozenset[str]
    limited: Mapping[str, tuple[Condition, ...]]
    answered: Mapping[str, int]
    refused: int
    limited_errors: Mapping[str, int]


def assemble(rules: Rules, machine: Machine) -> bytes:
    """Write the rules as a program for one machine.

    A call of another machine's convention ends the process: its numbers mean other
    calls, and no honest code makes one (x32 and 32-bit calls on x86-64).
    """
    program: list[Instruction] = [
        (LOAD_WORD, 0, 0, _MACHINE),
        (JUMP_EQUAL, 1, 0, machine.audit),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD_WORD, 0, 0, _NUMBER),
    ]
    if machine.foreign_from:
        program += [
            (JUMP_AT_LEAST, 0, 1, machine.foreign_from),
            (RETURN, 0, 0, KILL_PROCESS),
        ]
    for name in sorted(rules.plain & machine.numbers.keys()):
        program += _on(machine.numbers[name], [(RETURN, 0, 0, ALLOW)])
    for name, conditions in rules.limited.items():
        if name in machine.numbers:
            refused = rules.limited_errors.get(name, rules.refused)
            program += _on(machine.numbers[name], _body(conditions, refused=refused))
    for name, number in rules.answered.items():
        if name in machine.numbers:
            program += _on(machine.numbers[name], [(RETURN, 0, 0, ERRNO | number)])
    program.append((RETURN, 0, 0, ERRNO | rules.refused))
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in program)


def _on(number: int, body: Sequence[Instruction]) -> list[Instruction]:
    """Run the body when the number is this one; a body always returns."""
    return [(JUMP_EQUAL, 0, len(body), number), *body]


def _body(conditions: Sequence[Condition], *, refused: int) -> list[Instruction]:
    refuse: Instruction = (RETURN, 0, 0, ERRNO | refused)
    body: list[Instruction] = []
    for condition in conditions:
        body += _require(condition, refuse)
    return [*body, (RETURN, 0, 0, ALLOW)]


def _require(condition: Condition, refuse: Instruction) -> list[Instruction]:
    """Go on behind these instructions if the condition holds, else refuse."""
    load: Instruction = (LOAD_WORD, 0, 0, _low(condition.argument))
    if isinstance(condition, Flags):
        masked: Instruction = (MASK, 0, 0, condition.mask)
        return [load, masked, (JUMP_EQUAL, 1, 0, condition.value), refuse]
    if isinstance(condition, NotAll):
        masked = (MASK, 0, 0, condition.mask)
        return [load, masked, (JUMP_EQUAL, 0, 1, condition.mask), refuse]
    if isinstance(condition, Null):
        high: Instruction = (LOAD_WORD, 0, 0, _low(condition.argument) + _HALF_BYTES)
        zero: Instruction = (JUMP_EQUAL, 1, 0, 0)
        return [load, zero, refuse, high, zero, refuse]
    last = len(condition.values)
    # Each match jumps over the other comparisons and the refusal.
    matches: list[Instruction] = [
        (JUMP_EQUAL, last - place, 0, value) for place, value in enumerate(condition.values)
    ]
    return [load, *matches, refuse]


def _low(argument: int) -> int:
    return _ARGUMENTS + _ARGUMENT_BYTES * argument
