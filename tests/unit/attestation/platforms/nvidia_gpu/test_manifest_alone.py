# SPDX-License-Identifier: Apache-2.0
import base64
import datetime as dt
import json

import pytest

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu import FOREIGN
from cleanroom.attestation.platforms.nvidia_gpu.manifest_alone import ManifestVerifier
from cleanroom.attestation.verifier import require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.nvidia_forge import DRIVER, chain_pem, device_chain, driver_rim, rim_chain
from tests.support.test_pki import AT, NOT_AFTER

(_, KIND) = FOREIGN
RIM = driver_rim()
VERIFIER = ManifestVerifier(root=rim_chain()[-1].pin)
ITEM = EvidenceItem(platform="nvidia-rim", report=RIM, collateral={})


def test_a_manifest_says_which_chip_and_version_it_is_for():
    claims = VERIFIER.verify(ITEM, at=AT)
    with pytest.raises(EvidenceRefusedError, match="^platform: found claims of nvidia-rim"):
        require_declared(VERIFIER, claims)
    assert (claims.platform, claims.confidential, claims.carried) == ("nvidia-rim", False, ())
    assert (VERIFIER.nonce_place, VERIFIER.facts) == ("", ())
    assert (claims.details["chip"], claims.details["version"]) == ("GH100", DRIVER)
    (fact,) = claims.collateral
    assert (fact.digest, fact.expires_at) == (Digest.of(RIM), NOT_AFTER)
    assert claims.checks[-1].found == f"GH100 {DRIVER}, 3 measurements"


def test_what_is_wrong_with_a_manifest_is_the_reason():
    with pytest.raises(IntegrityError, match="^nvidia manifest root: "):
        KIND.verifier.verify(ITEM, at=AT)
    with pytest.raises(EvidenceRefusedError, match="^nvidia manifest: judged at"):
        VERIFIER.verify(ITEM, at=NOT_AFTER + dt.timedelta(seconds=1))
    forged = EvidenceItem(
        platform="nvidia-rim", report=RIM.replace(b"GH100", b"GH200"), collateral={}
    )
    with pytest.raises(IntegrityError, match="not the signed one"):
        VERIFIER.verify(forged, at=AT)
    beside = EvidenceItem(platform="nvidia-rim", report=RIM, collateral={"chain": b""})
    with pytest.raises(MalformedError, match="^nvidia-rim collateral: found some, agreed none"):
        VERIFIER.verify(beside, at=AT)


@pytest.mark.parametrize(
    "form",
    [RIM, base64.b64encode(RIM), json.dumps({"rim": base64.b64encode(RIM).decode()}).encode()],
)
def test_a_manifest_comes_as_xml_as_text_or_as_the_service_answers(form):
    assert KIND.intake(form, []) == ITEM
    assert KIND.recognises(RIM)
    assert not KIND.recognises(b"<html>")
    assert KIND.collateral_requests(ITEM) == ()


def test_nothing_but_a_manifest_is_one():
    with pytest.raises(MalformedError, match="^nvidia manifest: found chain, agreed a manifest"):
        KIND.intake(chain_pem(device_chain()), [])
    with pytest.raises(MalformedError, match="^nvidia-rim collateral: found some"):
        KIND.intake(RIM, [chain_pem(device_chain())])
