# SPDX-License-Identifier: Apache-2.0
"""A stolen laptop: sealed parts, the journal and key files, but no passphrase (T-16)."""

import pytest

from cleanroom.errors import IntegrityError
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.vault.data_key import new_data_key, open_data_key, settle_data_key, stage_data_key
from tests.support import sealed_tables
from tests.support.sealed_tables import LINEAGE, encounters, readers

THREATS = ("T-16",)
CANARIES = (b"cardiology", b"geriatrics", b"P00042", b"PAR1", b"patient_id")


@pytest.fixture
def laptop(tmp_path):
    key = new_data_key(lineage=LINEAGE, version=1)
    owner = ReceivingKey.from_seed(b"h" * 32)
    stage_data_key(tmp_path / "broker", key, receiving_key=owner.public_bytes)
    sealed = sealed_tables.seal(encounters(10_000), destination=tmp_path / "parts", key=key)
    settle_data_key(tmp_path / "broker", lineage=LINEAGE, version=1)
    return tmp_path, sealed, key


def test_no_file_holds_a_value_a_column_name_or_the_key(laptop):
    directory, _, key = laptop
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        data = path.read_bytes()
        for canary in (*CANARIES, key.secret, key.secret.hex().encode()):
            assert canary not in data


def test_sealing_writes_nothing_plain_on_the_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []

    def look(done, total):
        for path in tmp_path.rglob("*"):
            if path.is_file():
                seen.append(path.name)
                assert not any(canary in path.read_bytes() for canary in CANARIES)

    sealed_tables.seal_dataset(
        encounters(20_000),
        destination=tmp_path / "parts",
        order=sealed_tables.order(),
        progress=look,
    )
    assert all(name.endswith((".part", ".journal.json")) for name in seen)


def test_the_thief_opens_neither_parts_nor_key(laptop):
    directory, sealed, key = laptop
    thief = new_data_key(lineage=LINEAGE, version=1)
    wrong = sealed_tables.DataKey(
        lineage=LINEAGE, version=1, key_id=key.key_id, secret=thief.secret
    )
    with (
        pytest.raises(IntegrityError),
        readers(sealed, directory / "parts", key=wrong),
    ):
        pass
    with pytest.raises(IntegrityError):
        open_data_key(
            directory / "broker",
            lineage=LINEAGE,
            version=1,
            receiving=ReceivingKey.from_seed(b"t" * 32),
        )
