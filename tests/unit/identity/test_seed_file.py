# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.identity.seed_file import open_seeds, seal_seeds
from tests.support.keys import PASSPHRASE, derive

SEEDS = {name: derive(name) for name in ("receiving", "broker", "state")}
SEALED = seal_seeds(SEEDS, PASSPHRASE)


def changed(**parts):
    """The sealed file with top-level or ``kdf`` fields exchanged."""
    file = json.loads(SEALED)
    for name, value in parts.items():
        (file if name in file else file["kdf"])[name] = value
    return json.dumps(file).encode()


def test_the_seeds_come_back():
    assert open_seeds(SEALED, PASSPHRASE) == SEEDS


def test_the_file_holds_no_seed_in_plain():
    for seed in SEEDS.values():
        assert seed not in SEALED
        assert seed.hex().encode() not in SEALED


def test_the_written_cost_is_that_of_rfc_9106():
    kdf = json.loads(SEALED)["kdf"]
    assert (kdf["memory_kib"], kdf["iterations"], kdf["lanes"]) == (65536, 3, 4)


def test_two_files_share_neither_salt_nor_nonce():
    first, second = json.loads(SEALED), json.loads(seal_seeds(SEEDS, PASSPHRASE))
    assert first["kdf"]["salt"] != second["kdf"]["salt"]
    assert first["cipher"]["nonce"] != second["cipher"]["nonce"]


def test_a_wrong_passphrase_refuses():
    with pytest.raises(IntegrityError, match="wrong passphrase") as refusal:
        open_seeds(SEALED, PASSPHRASE + b" ")
    assert refusal.value.code == "identity.passphrase"


@pytest.mark.parametrize(
    "change",
    [
        {"iterations": 4},
        {"memory_kib": 65540},
        {"lanes": 5},
        {"salt": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"cipher": {"name": "aes-256-gcm", "nonce": "AAAAAAAAAAAAAAAA"}},
        {"ciphertext": "AAAA"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_altered_field_refuses(change):
    with pytest.raises(IntegrityError):
        open_seeds(changed(**change), PASSPHRASE)


@pytest.mark.parametrize(
    "change",
    [
        {"iterations": 2},
        {"memory_kib": 65535},
        {"lanes": 3},
        {"iterations": 17},
        {"memory_kib": 2**20 + 1},
        {"lanes": 17},
        {"iterations": -1},
    ],
)
def test_a_cheap_or_endless_derivation_is_refused_before_it_runs(change):
    with pytest.raises(RefusedError, match="cheaper or dearer") as refusal:
        open_seeds(changed(**change), PASSPHRASE)
    assert refusal.value.code == "identity.cost"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"x" * 5000,
        SEALED[: len(SEALED) // 2],
        SEALED + b"x",
        changed(format="cleanroom.seeds.v1"),
        changed(kdf={"name": "scrypt"}),
        changed(salt="AAAA"),
        changed(salt="????"),
        changed(iterations="3"),
        changed(ciphertext="?"),
        SEALED.replace(b'{"cipher"', b'{"extra":1,"cipher"'),
        SEALED.replace(b'"lanes":4', b'"lanes":4,"lanes":4'),
    ],
)
def test_another_form_is_refused(data):
    with pytest.raises(MalformedError, match="^seed file:"):
        open_seeds(data, PASSPHRASE)


@pytest.mark.parametrize(
    "seeds",
    [
        {},
        {"broker": bytes(32)},
        SEEDS | {"other": bytes(32)},
        SEEDS | {"state": bytes(31)},
        SEEDS | {"state": b""},
    ],
)
def test_a_missing_unknown_or_short_seed_is_refused(seeds):
    with pytest.raises(MalformedError, match="^seed file:"):
        seal_seeds(seeds, PASSPHRASE)


@pytest.mark.parametrize("passphrase", [b"", b"1234567"])
def test_nothing_is_sealed_under_a_short_passphrase(passphrase):
    with pytest.raises(RefusedError, match="^passphrase: found fewer than 8 characters$"):
        seal_seeds(SEEDS, passphrase)
