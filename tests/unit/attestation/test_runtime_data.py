# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.runtime_data import (
    MAX_GPUS,
    GpuIdentity,
    parse_runtime_data,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_PARTIES, MAX_RUNTIME_DATA_BYTES
from tests.support.attested_runs import make_runtime

GPU = GpuIdentity(leaf_serial="0a1b", spki_sha256=Digest.of(b"gpu key"))
GOOD = json.loads(make_runtime(gpus=(GPU,)).raw)
DIGEST = str(Digest.of(b"another"))


def changed(**changes):
    return canonical_json(GOOD | changes)


def test_runtime_data_is_read_back_as_it_was_made():
    made = make_runtime(gpus=(GPU,))
    assert parse_runtime_data(made.raw) == made
    assert made.digest == Digest.of(made.raw)
    assert made.gpus == (GPU,)
    assert made.nonces == {"hospital": b"n" * 32, "insurer": b"m" * 32}


def test_the_wire_form_has_exactly_the_documented_members():
    assert GOOD["v"] == "cleanroom-ra/1"
    assert set(GOOD) == {
        "v", "contract", "query", "run_request", "run", "runner", "sign", "hpke", "gpus", "nonces",
    }  # fmt: skip
    assert GOOD["sign"]["alg"] == "EdDSA"
    assert GOOD["hpke"]["kem"] == "MLKEM768_X25519"
    assert "=" not in GOOD["hpke"]["pub"]


@pytest.mark.parametrize(
    ("change", "subject", "code"),
    [
        ({"v": "cleanroom-ra/2"}, "version", "attestation.version"),
        ({"contract": "sha256:0"}, "contract", "digest.format"),
        ({"query": None}, "query", "digest.format"),
        ({"run_request": DIGEST.upper()}, "run_request", "digest.format"),
        ({"runner": 1}, "runner", "digest.format"),
        ({"run": "short"}, "run", "attestation.text"),
        ({"run": "../../etc/passwd"}, "run", "attestation.text"),
        ({"sign": {"alg": "EdDSA"}}, "sign", "attestation.missing-key"),
        ({"sign": "key"}, "sign", "attestation.type"),
        ({"sign": GOOD["sign"] | {"alg": "ES256"}}, "sign alg", "attestation.version"),
        ({"sign": GOOD["sign"] | {"pub": "AAAA"}}, "sign key", "attestation.length"),
        ({"sign": GOOD["sign"] | {"pub": GOOD["sign"]["pub"] + "="}}, "sign", "format.base64"),
        ({"sign": GOOD["sign"] | {"pub": 7}}, "sign", "attestation.type"),
        ({"sign": GOOD["sign"] | {"pub": "+" * 43}}, "sign", "format.base64"),
        ({"sign": GOOD["sign"] | {"pub": "A" * 42 + "B"}}, "sign", "format.base64"),
        ({"sign": GOOD["sign"] | {"crv": "Ed25519"}}, "sign", "attestation.unknown-key"),
        ({"hpke": GOOD["hpke"] | {"kem": "X25519"}}, "hpke kem", "attestation.version"),
        ({"hpke": GOOD["hpke"] | {"pub": GOOD["sign"]["pub"]}}, "hpke key", "attestation.length"),
        ({"gpus": {}}, "gpus", "attestation.type"),
        ({"gpus": GOOD["gpus"] * 2}, "gpus", "attestation.duplicate"),
        ({"gpus": [GOOD["gpus"][0] | {"leaf_serial": "XYZ"}]}, "gpu serial", "attestation.text"),
        ({"gpus": [GOOD["gpus"][0] | {"spki_sha256": ""}]}, "gpu key", "digest.format"),
        ({"gpus": [[]]}, "gpu", "attestation.type"),
        ({"gpus": GOOD["gpus"] * 65}, "gpus", "attestation.type"),
        ({"nonces": {}}, "nonces", "attestation.type"),
        ({"nonces": []}, "nonces", "attestation.type"),
        ({"nonces": {"Hospital": GOOD["sign"]["pub"]}}, "nonce owner", "attestation.text"),
        ({"nonces": {"hospital": "AAAA"}}, "nonce", "attestation.length"),
        (
            {"nonces": {f"p{n}": GOOD["sign"]["pub"] for n in range(MAX_PARTIES + 1)}},
            "nonces",
            "attestation.type",
        ),
        ({"party": "hospital"}, "runtime data", "attestation.unknown-key"),
    ],
)
def test_one_changed_member_is_refused_by_name(change, subject, code):
    with pytest.raises(MalformedError, match=f"^runtime data.*{subject}|^{subject}") as refused:
        parse_runtime_data(changed(**change))
    assert refused.value.code == code


@pytest.mark.parametrize("member", sorted(GOOD))
def test_a_missing_member_is_refused_by_name(member):
    rest = {name: value for name, value in GOOD.items() if name != member}
    with pytest.raises(MalformedError, match=f"{member!r} is missing"):
        parse_runtime_data(canonical_json(rest))


@pytest.mark.parametrize(
    "encode",
    [
        lambda: json.dumps(GOOD).encode(),
        lambda: canonical_json(GOOD) + b"\n",
        lambda: b" " + canonical_json(GOOD),
        lambda: canonical_json(GOOD).replace(b"hospital", b"\\u0068ospital"),
        lambda: json.dumps(dict(reversed(list(GOOD.items()))), separators=(",", ":")).encode(),
    ],
)
def test_another_encoding_of_the_same_members_is_refused(encode):
    with pytest.raises(MalformedError) as refused:
        parse_runtime_data(encode())
    assert refused.value.code == "attestation.not-canonical"


def test_a_float_is_refused():
    with pytest.raises(MalformedError) as refused:
        parse_runtime_data(canonical_json(GOOD).replace(b'"cleanroom-ra/1"', b"1.0"))
    assert refused.value.code == "json.float"


def test_runtime_data_over_its_limit_is_refused_before_it_is_parsed():
    with pytest.raises(MalformedError) as refused:
        parse_runtime_data(b" " * (MAX_RUNTIME_DATA_BYTES + 1))
    assert refused.value.code == "format.oversize"


def test_a_run_with_the_most_parties_and_the_longest_names_fits_the_limit():
    names = [f"{'p' * 30}{n:02d}" for n in range(MAX_PARTIES)]
    gpus = tuple(replace(GPU, leaf_serial=f"{n:064x}") for n in range(MAX_GPUS))
    runtime = make_runtime(nonces=dict.fromkeys(names, b"n" * 32), gpus=gpus)
    assert len(runtime.nonces) == MAX_PARTIES
    assert len(runtime.gpus) == MAX_GPUS


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_another_nonce_always_gives_another_binding(first, second):
    one, two = (make_runtime(nonces={"hospital": nonce}) for nonce in (first, second))
    assert (bind64(one.raw) == bind64(two.raw)) == (first == second)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_never_written(size):
    with pytest.raises(MalformedError, match="sign key"):
        make_runtime(sign_key=bytes(size))
