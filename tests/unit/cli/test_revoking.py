# SPDX-License-Identifier: Apache-2.0
"""Who takes back what is not there is told so: a mistyped digest stops nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import pytest

from cleanroom.cli.revoking import lies_in, read_terms
from cleanroom.kernel.digest import Digest
from tests.support.keys import throwaway_party

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PARTY = throwaway_party("hospital")
PROFILE = SimpleNamespace(name="hospital", party=PARTY.document)
PLACES = {
    "contract": "contract.toml",
    "query": "queries/q/query.toml",
    "approval": "queries/q/approvals/hospital.toml",
    "dataset": "datasets/hospital.stays/dataset.toml",
}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    for place in PLACES.values():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(place)
    (tmp_path / "datasets" / "insurer.members").mkdir()
    return tmp_path


def known(room: Path, kind: str, subject: str) -> bool:
    terms = read_terms("hospital", kind, subject, reason="", since=NOW)
    return lies_in(room, terms, profile=PROFILE)


@pytest.mark.parametrize("kind", PLACES)
def test_each_kind_is_found_under_its_own_digest_alone(room: Path, kind: str) -> None:
    digests = {name: str(Digest.of(place.encode())) for name, place in PLACES.items()}
    assert [name for name, digest in digests.items() if known(room, kind, digest)] == [kind]


def test_what_was_replaced_is_found_in_the_archive(room: Path) -> None:
    (room / "archive").mkdir()
    (room / "archive" / "older").write_text("an older contract")
    assert known(room, "contract", str(Digest.of(b"an older contract")))


def test_a_dataset_is_found_by_name_if_it_is_ones_own(room: Path) -> None:
    names = ("hospital.stays", "hospital.none", "insurer.members")
    assert [name for name in names if known(room, "dataset", name)] == ["hospital.stays"]


def test_only_ones_own_keys_are_found(room: Path) -> None:
    own = Digest.of(PARTY.document.signing_keys[0].blob)
    assert known(room, "key", str(own))
    assert known(room, "key", str(PARTY.document.digest))
    assert not known(room, "contract", str(own))
    assert not known(room, "key", str(Digest.of(b"another")))
