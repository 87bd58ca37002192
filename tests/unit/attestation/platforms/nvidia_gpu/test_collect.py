# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from cleanroom.attestation.binding import Channel, bind32
from cleanroom.attestation.platforms.nvidia_gpu.collect import (
    NvidiaCollector,
    allow_work,
    load_nvml,
    machine_gpus,
)
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.nvidia_forge import make_verifier
from tests.support.nvml_fake import Driver
from tests.support.test_pki import AT

BINDING = bytes(range(64))


def collector(driver, index=0):
    return NvidiaCollector(load=lambda: driver, index=index)


def test_a_report_is_collected_over_the_binding():
    driver = Driver()
    assert collector(driver).missing() == ()
    item = collector(driver).collect(binding=BINDING)
    assert item.platform == collector(driver).platform == "nvidia-gpu"
    claims = make_verifier().verify(item, at=AT)
    assert claims.carried[0].found == bind32(Channel.GPU, BINDING)
    assert driver.open == 0


@pytest.mark.parametrize(
    ("driver", "index", "words"),
    [
        (Driver(fails=("init",)), 0, "no NVIDIA driver is loaded"),
        (Driver(fails=("state",)), 0, "knows no confidential computing"),
        (Driver(count=2), 2, "number 2 is not among them"),
        (Driver(ccFeature=0), 0, "Confidential computing is off"),
        (Driver(devToolsMode=1), 0, "developer mode"),
        (Driver(environment=1), 0, "not production"),
    ],
)
def test_a_machine_says_exactly_what_it_lacks(driver, index, words):
    (sentence,) = collector(driver, index).missing()
    assert words in sentence
    assert driver.open == 0


@pytest.mark.parametrize("step", ["init", "handle", "certificate", "report"])
def test_a_driver_that_fails_is_unavailable(step):
    driver = Driver(fails=(step,))
    with pytest.raises(UnavailableError, match="^nvidia-gpu: GPU 0 gave no report"):
        collector(driver).collect(binding=BINDING)
    assert driver.open == 0


@pytest.mark.parametrize("size", [0, 0x2001])
def test_a_length_that_the_answer_does_not_have_is_malformed(size):
    with pytest.raises(MalformedError) as refused:
        collector(Driver(size=size)).collect(binding=BINDING)
    assert refused.value.code == "nvidia.answer"


def test_a_short_binding_is_refused_before_the_driver_is_asked():
    with pytest.raises(MalformedError, match="^binding: "):
        collector(Driver(fails=("init",))).collect(binding=BINDING[:32])


def test_a_machines_gpus_are_named_as_their_evidence_names_them():
    driver = Driver(count=2)
    named = machine_gpus(driver)
    claims = make_verifier().verify(collector(driver).collect(binding=BINDING), at=AT)
    assert named == (claims.facts[0].identity,) * 2
    assert driver.open == 0
    assert machine_gpus(Driver(count=0)) == ()
    for step in ("init", "count", "handle", "certificate"):
        with pytest.raises(UnavailableError, match="names no GPUs"):
            machine_gpus(Driver(fails=(step,)))


def test_work_starts_only_when_the_driver_says_so():
    driver = Driver()
    allow_work(driver)
    assert (driver.ready, driver.open) == (1, 0)
    for step in ("init", "ready"):
        with pytest.raises(UnavailableError) as refused:
            allow_work(Driver(fails=(step,)))
        assert refused.value.code == "nvidia.not-ready"


def test_nvidias_binding_has_the_names_that_are_used():
    pytest.importorskip("pynvml")
    nvml = load_nvml()
    names = [name for name in dir(Driver) if name.startswith("nvml")]
    assert names
    assert all(callable(getattr(nvml, name)) for name in names)
    assert issubclass(nvml.NVMLError, Exception)


def test_this_machine_lacks_a_driver_or_has_one():
    pytest.importorskip("pynvml")
    assert all(
        sentence.startswith("NVML: does not start")
        for sentence in NvidiaCollector(load=load_nvml, index=0).missing()
    )


def test_without_the_binding_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(UnavailableError) as refused:
        load_nvml()
    assert refused.value.code == "nvidia.no-binding"
    assert "gpu" in refused.value.hint
    (sentence,) = NvidiaCollector(load=load_nvml, index=0).missing()
    assert "nvidia-ml-py" in sentence
