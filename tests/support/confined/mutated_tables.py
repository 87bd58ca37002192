# SPDX-License-Identifier: Apache-2.0
"""A confined child that judges many mutated tables; the request is seed, count and schema."""

import collections
import json
import sys

import numpy as np

from cleanroom.runner.analysis.judge import judge
from cleanroom.runner.arrow_types import arrow_schema

WORDS = [b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\1\0\0\0"]
WIDE = [b"\xff" * 7 + b"\x7f", b"\0" * 7 + b"\x80", b"\xff" * 8, (1 << 40).to_bytes(8, "little")]


class Mutator:
    """Changes of bytes that have broken readers before."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def below(self, most):
        return int(self.generator.integers(most))

    def one_of(self, choices):
        return choices[self.below(len(choices))]

    def mutated(self, table):
        changed = bytearray(table)
        kinds = (self.flip, self.edge, self.word, self.wide, self.cut, self.move)
        for _ in range(self.one_of((1, 1, 1, 2, 4, 16))):
            self.one_of(kinds)(changed, self.below(len(changed)))
        return bytes(changed)

    def flip(self, changed, place):
        changed[place] ^= 1 << self.below(8)

    def edge(self, changed, place):
        changed[place] = self.one_of((0, 1, 0x7F, 0x80, 0xFF))

    def word(self, changed, place):
        changed[place & ~3 : (place & ~3) + 4] = self.one_of(WORDS)

    def wide(self, changed, place):
        changed[place & ~7 : (place & ~7) + 8] = self.one_of(WIDE)

    def cut(self, changed, place):
        if len(changed) > 64:
            del changed[place : place + 1 + self.below(63)]

    def move(self, changed, place):
        other = self.below(len(changed))
        changed[place : place + 16] = changed[other : other + 16]


def used(table):
    table.validate(full=True)
    for column in table.columns:
        column.cast("string")
        column.value_counts()


def work(answer):
    asked = json.loads(sys.stdin.buffer.readline())
    table = sys.stdin.buffer.read()
    schema = arrow_schema(asked["columns"])
    mutator = Mutator(asked["seed"])
    words = collections.Counter()
    for _ in range(asked["count"]):
        word, fresh = judge(mutator.mutated(table), schema=schema, most_rows=100)
        words[word] += 1
        if fresh is not None:
            used(fresh)
    answer.write(json.dumps(words).encode())
