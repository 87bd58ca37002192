# SPDX-License-Identifier: Apache-2.0
"""What the gate writes about itself is what a receipt's reader demands."""

from __future__ import annotations

from cleanroom.contract.policy import parse_policy
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.rules import strictest
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.shape import (
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ArgumentShape,
    KeyShape,
    ReleaseShape,
    UnitShape,
)
from cleanroom.receipt.model import CheckRecord
from tests.support.receipt_forge import Forge, Lies
from tests.support.receipt_room import PROTECTED, PUBLIC, make_documents, policy_terms

COUNT = AggregateShape(
    name="stays", kind=AggregateKind.COUNT_ROWS, type="integer", argument=-1, unit=-1
)


def written_by_the_gate(lineages, *, units):
    rules = strictest(parse_policy(render_policy(policy_terms(name))) for name in lineages)
    shape = ReleaseShape(
        keys=(KeyShape(name="ward", type="string"),),
        arguments=(ArgumentShape(kind=ArgumentKind.PRESENCE),),
        aggregates=(COUNT,),
        units=tuple(UnitShape(namespace=name) for name in units),
        order=("ward", "stays"),
    )
    released = decide([], shape=shape, rules=rules, history=())
    return tuple(
        CheckRecord(
            rule=check.rule,
            parameters=check.parameters,
            verdict=check.verdict,
            withheld=check.withheld,
        )
        for check in released.checks
    )


def test_protected_data():
    checks = written_by_the_gate(PROTECTED, units=("people",))
    assert checks
    assert Forge(lies=Lies(body={"checks": checks})).verify()


def test_public_data():
    checks = written_by_the_gate(PUBLIC, units=())
    documents = make_documents(lineages=PUBLIC)
    assert Forge(documents=documents, lies=Lies(body={"checks": checks})).verify()
