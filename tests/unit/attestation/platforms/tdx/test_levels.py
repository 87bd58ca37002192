# SPDX-License-Identifier: Apache-2.0
"""Our own reading of Intel's levels: each part alone, the revoked and the unknown by name."""

import pytest

from cleanroom.attestation.platforms.tdx.levels import Levels, read_levels, require_agreement
from cleanroom.attestation.platforms.tdx.structure import verify_structure
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.dcap_forge import (
    AT,
    PCESVN,
    SGX,
    TDX,
    TEE_TCB_SVN,
    Wrong,
    domain,
    intel,
    make_quote,
    qe_identity,
    tcb_info,
)

SOUND = verify_structure(make_quote(), tee=TDX, pins=intel().pins, at=AT)
OLDER_MODULE = bytes([2, 1, 3]) + bytes(13)
FIRST_MODULE = bytes([6, 0, 3]) + bytes(13)


def domain_quote(svn):
    wrong = Wrong(body=domain(tee_tcb_svn=svn))
    return verify_structure(make_quote(wrong=wrong), tee=TDX, pins=intel().pins, at=AT)


def read(*, info=None, identity=None, sound=SOUND):
    return read_levels(info or tcb_info(TDX), identity or qe_identity(TDX), sound)


def test_every_part_of_a_current_machine_is_up_to_date():
    levels = read()
    assert dict(levels.parts) == {
        "platform": "UpToDate",
        "tdx module": "UpToDate",
        "quoting enclave": "UpToDate",
    }
    assert levels.current
    enclave = verify_structure(make_quote(SGX, 3), tee=SGX, pins=intel().pins, at=AT)
    of_enclave = read_levels(tcb_info(SGX), qe_identity(SGX), enclave)
    assert set(of_enclave.parts) == {"platform", "quoting enclave"}


def test_a_module_without_a_major_version_is_judged_with_the_platform():
    info = tcb_info(TDX)
    for level in info["tcbLevels"]:
        level["tcb"]["tdxtcbcomponents"] = [{"svn": svn} for svn in FIRST_MODULE]
    assert set(read(info=info, sound=domain_quote(FIRST_MODULE)).parts) == {
        "platform",
        "quoting enclave",
    }


@pytest.mark.parametrize("index", range(16))
def test_one_version_below_a_level_is_not_at_it(index):
    info = tcb_info(TDX)
    info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][index]["svn"] += 1
    assert read(info=info).parts["platform"] == "OutOfDate"


def test_the_enclave_that_provisions_and_the_domain_count_too():
    info = tcb_info(TDX)
    info["tcbLevels"][0]["tcb"]["pcesvn"] = PCESVN + 1
    assert read(info=info).parts["platform"] == "OutOfDate"
    info = tcb_info(TDX)
    info["tcbLevels"][0]["tcb"]["tdxtcbcomponents"][2]["svn"] = TEE_TCB_SVN[2] + 1
    assert read(info=info).parts["platform"] == "OutOfDate"


def with_states(where, status):
    info, identity = tcb_info(TDX), qe_identity(TDX)
    levels = {
        "platform": info["tcbLevels"],
        "tdx module": info["tdxModuleIdentities"][0]["tcbLevels"],
        "quoting enclave": identity["tcbLevels"],
    }[where]
    levels[0]["tcbStatus"] = status
    return {"info": info, "identity": identity}


@pytest.mark.parametrize("where", ["platform", "tdx module", "quoting enclave"])
def test_what_intel_withdrew_is_refused_by_its_name(where):
    with pytest.raises(EvidenceRefusedError, match=f"^dcap {where}: found Revoked") as caught:
        read(**with_states(where, "Revoked"))
    assert caught.value.code == "dcap.revoked"
    assert read(**with_states(where, "OutOfDate")).parts[where] == "OutOfDate"


@pytest.mark.parametrize("status", ["ConfigurationNeeded", "SWHardeningNeeded", "Fine"])
def test_a_state_that_no_enclave_can_have_is_refused(status):
    with pytest.raises(EvidenceRefusedError, match=f"^dcap quoting enclave: found {status}"):
        read(**with_states("quoting enclave", status))


def test_no_level_is_refused_for_each_part():
    module = domain_quote(OLDER_MODULE)
    with pytest.raises(EvidenceRefusedError, match="^dcap tdx module: found no level"):
        read(sound=module)
    with pytest.raises(EvidenceRefusedError, match="^dcap platform: found no level"):
        read(info=tcb_info(TDX) | {"tcbLevels": []})
    identity = qe_identity(TDX)
    identity["tcbLevels"][0]["tcb"]["isvsvn"] = 9
    with pytest.raises(EvidenceRefusedError, match="^dcap quoting enclave: found no level"):
        read(identity=identity)


@pytest.mark.parametrize("identities", [None, [], [1], [{"id": "TDX_03"}]])
def test_a_module_that_nobody_names_is_refused(identities):
    with pytest.raises(EvidenceRefusedError, match="^dcap tdx module: found no identity TDX_01"):
        read(info=tcb_info(TDX) | {"tdxModuleIdentities": identities})


@pytest.mark.parametrize(
    "levels",
    [
        None,
        [1],
        [{"tcb": None}],
        [{"tcb": {"pcesvn": 1}}],
        [{"tcb": {"sgxtcbcomponents": [1]}}],
        [{"tcb": {"sgxtcbcomponents": [{"svn": True}]}}],
        [{"tcb": {"sgxtcbcomponents": [], "pcesvn": 1}}],
    ],
)
def test_levels_of_another_form_are_malformed(levels):
    with pytest.raises(MalformedError, match="^dcap collateral: found"):
        read(info=tcb_info(TDX) | {"tcbLevels": levels})


def test_a_level_without_a_status_is_malformed():
    info = tcb_info(TDX)
    info["tcbLevels"][0]["tcbStatus"] = 1
    with pytest.raises(MalformedError, match="without a status"):
        read(info=info)


@pytest.mark.parametrize(
    ("parts", "joined", "agree"),
    [
        ({"platform": "UpToDate"}, "UpToDate", True),
        ({"platform": "OutOfDate"}, "OutOfDate", True),
        ({"platform": "UpToDate", "quoting enclave": "OutOfDate"}, "UpToDate", False),
        ({"platform": "UpToDate"}, "SWHardeningNeeded", False),
    ],
)
def test_neither_reading_may_be_the_better_one(parts, joined, agree):
    if agree:
        require_agreement(Levels(parts=parts), joined)
        return
    with pytest.raises(IntegrityError, match=f"^dcap second verifier: found {joined}, the first"):
        require_agreement(Levels(parts=parts), joined)
