# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.amendment import supersede
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import RoomDocuments, build_room

AUDITOR = throwaway_party("auditor")
OLD = build_room(parties={**build_room().parties, "auditor": AUDITOR})
NEW = build_room(contract={"predecessor": OLD.contract_digest})


def signed_also_by_the_auditor(room: RoomDocuments):
    parties = (*room.parties.values(), AUDITOR)
    signed = sign_by(room.contract_bundle.contract.data, kind="contract", parties=parties)
    return dataclasses.replace(room.contract_bundle, contract=signed)


def test_a_contract_signed_by_every_party_of_both_replaces_the_old_one():
    amended = supersede(OLD.agreement(), signed_also_by_the_auditor(NEW), trust=NEW.pins)
    assert amended.contract.digest == NEW.contract_digest


def test_a_party_that_leaves_must_sign_as_well():
    with pytest.raises(RefusedError, match="^contract.toml: signature of auditor: missing"):
        supersede(OLD.agreement(), NEW.contract_bundle, trust=NEW.pins)


def test_a_contract_without_predecessor_replaces_nothing():
    with pytest.raises(RefusedError, match="^contract.toml: predecessor: found none"):
        supersede(OLD.agreement(), build_room().contract_bundle, trust=NEW.pins)


def test_a_contract_replaces_only_the_one_that_it_names():
    other = build_room(contract={"predecessor": Digest.of(b"another contract")})
    with pytest.raises(IntegrityError, match="^contract.toml: predecessor: found sha256:"):
        supersede(OLD.agreement(), other.contract_bundle, trust=NEW.pins)
