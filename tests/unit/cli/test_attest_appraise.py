# SPDX-License-Identifier: Apache-2.0
import base64
import datetime as dt
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from cleanroom.attestation.ear_token import verify_ear
from cleanroom.cli.main import run
from cleanroom.receipt.parse import parse_receipt

VECTORS = Path(__file__).parents[2] / "vectors" / "receipt"
ROOM = {
    file["place"]: base64.b64decode(file["data"])
    for file in json.loads((VECTORS / "room.json").read_text())["files"]
}
RECEIPT = base64.b64decode(json.loads((VECTORS / "honest.json").read_text())["receipt"])
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"e" * 32)
AT = "2026-11-22T12:00:00Z"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "receipt.json").write_bytes(RECEIPT)
    (tmp_path / "contract.toml").write_bytes(ROOM["contract.toml"])
    write_key(tmp_path / "key.pem", KEY)
    return tmp_path


def write_key(path, key, mode=0o600):
    path.touch(mode=mode)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def typed(capsys, files, *args, at=AT):
    command = ("attest", "appraise", files / "receipt.json", "--against", files / "contract.toml")
    status = run([str(arg) for arg in (*command, "--at", at, *args)])
    done = capsys.readouterr()
    return status, done.out, done.err


def test_the_verdict_is_the_one_that_the_brokers_signed(files, capsys):
    status, out, _ = typed(capsys, files, "--json")
    assert status == 0
    ear = json.loads(out)["ear"]
    assert ear["submods"]["runner"]["ear.status"] == "contraindicated"
    statement = parse_receipt(RECEIPT).body.releases["hospital"].statement
    assert ear["submods"] == json.loads(statement.payload)["predicate"]["appraisal"]["submods"]


def test_it_is_said_in_words_and_loudly(files, capsys):
    status, out, err = typed(capsys, files)
    assert status == 0
    assert out.startswith("contraindicated: simulated, measurement sha256:")
    assert "  runner: hardware 97" in out
    assert "anybody can forge this evidence" in err


def test_a_key_signs_it_for_relying_parties_of_other_makes(files, capsys):
    status, out, _ = typed(capsys, files, "--sign", files / "key.pem")
    assert status == 0
    at = dt.datetime.fromisoformat(AT)
    claims = verify_ear(out.strip(), KEY.public_key(), at=at, max_age=dt.timedelta(0))
    assert claims["submods"]["runner"]["cleanroom.platform"] == "simulated"


def test_evidence_that_the_profile_does_not_accept_gives_no_token(files, capsys):
    status, out, err = typed(capsys, files, "--sign", files / "key.pem", at="2027-01-01T00:00:00Z")
    assert (status, out) == (3, "")
    assert "evidence age: issued at" in err


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda path: path.write_bytes(b"no key"), 4),
        (lambda path: (path.unlink(), write_key(path, ec.generate_private_key(ec.SECP256R1()))), 4),
        (lambda path: path.chmod(0o644), 3),
        (lambda path: path.unlink(), 6),
    ],
)
def test_a_key_that_cannot_sign_is_said_first(files, capsys, spoil, status):
    spoil(files / "key.pem")
    found, out, err = typed(capsys, files, "--sign", files / "key.pem")
    assert (found, out) == (status, "")
    assert err.startswith("error: key.pem: ")
