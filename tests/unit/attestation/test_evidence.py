# SPDX-License-Identifier: Apache-2.0
import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.evidence import (
    MAX_COLLATERAL_ITEMS,
    MAX_DEVICES,
    Evidence,
    EvidenceItem,
    encode_evidence,
    parse_evidence,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES, MAX_EVIDENCE_ITEM_BYTES
from tests.support.nvidia_forge import (
    all_answers,
    device_chain,
    driver_rim,
    make_item,
    make_report,
    rim_chain,
    vbios_rim,
)

GOOD = {
    "format": "cleanroom.evidence.v0",
    "platform": "simulated",
    "report": base64.b64encode(b"report").decode(),
    "collateral": {"root": base64.b64encode(b"root").decode()},
    "devices": [],
}
DEVICE = {"platform": "nvidia-gpu", "report": "", "collateral": {}}
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)


@given(NAMES, st.binary(max_size=300), st.dictionaries(NAMES, st.binary(max_size=50), max_size=4))
def test_evidence_survives_the_wire(platform, report, collateral):
    item = EvidenceItem(platform=platform, report=report, collateral=collateral)
    evidence = Evidence.of(item, devices=(item, item))
    assert parse_evidence(encode_evidence(evidence)) == evidence
    assert parse_evidence(evidence.to_json()) == evidence


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": "cleanroom.evidence.v1"}, "attestation.version"),
        ({"format": 0}, "attestation.version"),
        ({"platform": "Simulated"}, "attestation.text"),
        ({"platform": "simulated\n"}, "attestation.text"),
        ({"platform": ""}, "attestation.text"),
        ({"platform": None}, "attestation.text"),
        ({"report": "cmVwb3J0="}, "format.base64"),
        ({"report": "cmVwb3J0\n"}, "format.base64"),
        ({"report": "cmVwb3Jé"}, "format.base64"),
        ({"report": "cmVwb3J="}, "format.base64"),
        ({"report": "_-8="}, "format.base64"),
        ({"report": 7}, "attestation.type"),
        ({"collateral": []}, "attestation.type"),
        ({"collateral": {"Root": ""}}, "attestation.text"),
        ({"collateral": {"root": None}}, "attestation.type"),
        ({"collateral": {f"c{n}": "" for n in range(MAX_COLLATERAL_ITEMS + 1)}}, "format.oversize"),
        ({"devices": {}}, "attestation.type"),
        ({"devices": [1]}, "attestation.type"),
        ({"devices": [DEVICE] * (MAX_DEVICES + 1)}, "attestation.type"),
        ({"devices": [DEVICE | {"devices": []}]}, "attestation.unknown-key"),
        ({"devices": [{"platform": "nvidia-gpu", "report": ""}]}, "attestation.missing-key"),
        ({"devices": [DEVICE | {"platform": "GPU"}]}, "attestation.text"),
        ({"extra": 1}, "attestation.unknown-key"),
    ],
)
def test_one_changed_member_is_refused_by_name(change, code):
    with pytest.raises(MalformedError, match="^evidence") as refused:
        parse_evidence(canonical_json(GOOD | change))
    assert refused.value.code == code


@pytest.mark.parametrize("member", sorted(GOOD))
def test_a_missing_member_is_refused_by_name(member):
    rest = {name: value for name, value in GOOD.items() if name != member}
    with pytest.raises(MalformedError, match=member) as refused:
        parse_evidence(rest)
    assert refused.value.code == "attestation.missing-key"


@pytest.mark.parametrize("value", [[], "text", 1, None])
def test_anything_but_an_object_is_refused(value):
    with pytest.raises(MalformedError) as refused:
        parse_evidence(canonical_json(value))
    assert refused.value.code == "attestation.type"


def test_collateral_up_to_the_limit_is_accepted():
    full = {f"c{n}": "" for n in range(MAX_COLLATERAL_ITEMS)}
    assert len(parse_evidence(GOOD | {"collateral": full}).collateral) == MAX_COLLATERAL_ITEMS


def test_bytes_that_are_not_the_canonical_form_are_refused():
    with pytest.raises(MalformedError) as refused:
        parse_evidence(json.dumps(GOOD, indent=1).encode())
    assert refused.value.code == "attestation.not-canonical"


def test_a_duplicate_member_is_refused():
    data = canonical_json(GOOD).replace(b'{"coll', b'{"platform":"simulated","coll')
    with pytest.raises(MalformedError) as refused:
        parse_evidence(data)
    assert refused.value.code == "json.duplicate-key"


def test_evidence_over_its_limit_is_refused_before_it_is_parsed():
    with pytest.raises(MalformedError) as refused:
        parse_evidence(b" " * (MAX_EVIDENCE_BYTES + 1))
    assert refused.value.code == "format.oversize"


def test_one_device_takes_no_more_than_its_share():
    big = EvidenceItem(
        platform="gpu", report=b"", collateral={"log": bytes(MAX_EVIDENCE_ITEM_BYTES)}
    )
    fits = Evidence.of(EvidenceItem(platform="snp", report=b"", collateral={}), devices=(big,))
    assert parse_evidence(encode_evidence(fits)) == fits
    over = replace(big, report=b"x")
    with pytest.raises(MalformedError, match=r"^evidence of gpu: 1048577 bytes against at most"):
        parse_evidence(encode_evidence(replace(fits, devices=(over,))))


def test_eight_gpus_with_all_that_proves_them_fit():
    answers = all_answers((device_chain(), rim_chain()))
    rims = {"driver_rim": driver_rim() + b" " * 20_000, "vbios_rim": vbios_rim() + b" " * 20_000}
    gpu = make_item(report=make_report(), **rims, **answers)
    machine = EvidenceItem(platform="snp", report=bytes(1184), collateral={"log": bytes(200_000)})
    data = encode_evidence(Evidence.of(machine, devices=(gpu,) * 8))
    assert len(parse_evidence(data).devices) == 8
    assert len(data) < 2 * MAX_EVIDENCE_BYTES // 3
