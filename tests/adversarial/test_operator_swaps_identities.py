# SPDX-License-Identifier: Apache-2.0
"""The operator puts its own keys into a room, complete and consistent (T-03)."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from cleanroom.contract.agreement import ContractDigest
from cleanroom.errors import IdentityUnprovenError, IntegrityError
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from tests.support.keys import pins_of, throwaway_party
from tests.support.receipt_forge import Forge
from tests.support.receipt_room import PARTIES

NOBODY = Pins(documents=MappingProxyType({}))


def test_without_pins_identities_are_unproven():
    # T-03: everything in the room agrees with itself, and that proves nothing.
    step, error = Forge().refusal(trust=NOBODY)
    assert step == "identities"
    assert isinstance(error, IdentityUnprovenError)
    assert error.message.startswith("identities unproven")
    assert error.exit_code != 0


@pytest.mark.parametrize("name", PARTIES)
def test_one_party_without_a_pin_is_enough(name):
    others = [throwaway_party(other) for other in PARTIES if other != name]
    step, error = Forge().refusal(trust=pins_of(*others))
    assert (step, type(error)) == ("identities", IdentityUnprovenError)
    assert name in error.message


@pytest.mark.parametrize("name", PARTIES)
def test_a_pin_of_another_document_of_the_same_name_is_not_enough(name):
    documents = [throwaway_party(other, edition=2 if other == name else 1) for other in PARTIES]
    step, error = Forge().refusal(trust=pins_of(*documents))
    assert (step, type(error)) == ("identities", IdentityUnprovenError)


def test_a_room_made_by_the_operator_is_refused_by_the_contract_digest():
    step, error = Forge().refusal(trust=ContractDigest(digest=Digest.of(b"what we signed")))
    assert (step, type(error)) == ("identities", IntegrityError)


def test_the_step_comes_before_anything_that_leans_on_a_brokers_key():
    lines = [line.step for line in Forge().verify().lines]
    assert lines.index("identities") < lines.index("key releases")
