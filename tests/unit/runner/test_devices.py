# SPDX-License-Identifier: Apache-2.0
"""A machine without any device names, for each kind, exactly what it lacks."""

import pytest

from cleanroom.attestation import registry
from cleanroom.attestation.collectors import collector_for
from cleanroom.errors import UnavailableError
from cleanroom.runner.devices import device_collectors

LACKING = {
    "snp": "sev",
    "tdx": "tdx",
    "snp-azure-vtpm": "tpmrm0: not there",
    "tdx-azure-vtpm": "tpmrm0: not there",
    "nitro": "nsm",
    "gcp-cs-jwt": "teeserver.sock",
    "tpm": "tpmrm0: not there",
    "nvidia-gpu": "NV",
}


def test_every_kind_that_a_machine_can_make_has_one_collector(tmp_path):
    kinds = [collector.platform for collector in device_collectors(tmp_path)]
    assert sorted(kinds) == sorted(LACKING)
    made = {kind.name for kind in (*registry.PLATFORMS, *registry.DEVICES)}
    # Which of Azure's services is asked, only a contract says.
    assert made - {"nvidia-switch", "maa-jwt"} == set(LACKING) - {"tpm"}


@pytest.mark.parametrize(("kind", "words"), LACKING.items())
def test_an_empty_machine_says_what_it_lacks(tmp_path, kind, words):
    with pytest.raises(UnavailableError, match=f"^{kind}: this machine lacks") as refused:
        collector_for(kind, collectors=device_collectors(tmp_path))
    assert words in refused.value.message
