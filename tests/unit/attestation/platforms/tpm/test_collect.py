# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.platform import Collector
from cleanroom.attestation.platforms.tpm.collect import IMA_LOG_FILE
from cleanroom.attestation.platforms.tpm.report import parse_report
from cleanroom.attestation.platforms.tpm.verify import TpmVerifier
from cleanroom.attestation.runtime_log import replayed
from cleanroom.attestation.verifier import require_bound
from cleanroom.errors import EvidenceRefusedError, MalformedError
from tests.support.test_pki import AT
from tests.support.tpm_evidence import (
    BINDING,
    EVENT_LOG,
    EVENTS,
    IMA_LOG,
    SELECTION,
    collector,
    machine,
)
from tests.support.tpm_logs import ima_entry

VERIFIER = TpmVerifier(name="tpm", roots=())


def test_what_is_collected_verifies(tmp_path):
    fake = machine(tmp_path)
    collect: Collector = collector(tmp_path, fake)
    assert (collect.platform, collect.missing()) == ("tpm", ())
    item = collect.collect(binding=BINDING)
    require_bound(VERIFIER.verify(item, at=AT), BINDING)
    assert item.collateral == {"event-log": EVENT_LOG, "ima-log": IMA_LOG}
    assert fake.registers[14] == replayed(EVENTS)
    assert fake.loaded == set()


def test_one_start_of_a_machine_serves_one_run(tmp_path):
    fake = machine(tmp_path)
    collector(tmp_path, fake).collect(binding=BINDING)
    with pytest.raises(EvidenceRefusedError, match="^TPM register 14: found extended") as caught:
        collector(tmp_path, fake).collect(binding=BINDING)
    assert caught.value.code == "tpm.register-used"


def test_a_register_that_somebody_extended_before_is_refused(tmp_path):
    fake = machine(tmp_path)
    fake.extend(14, b"d" * 32)
    used = fake.registers[14]
    with pytest.raises(EvidenceRefusedError):
        collector(tmp_path, fake).collect(binding=BINDING)
    assert fake.registers[14] == used


def test_files_that_the_kernel_read_after_the_quote_are_left_out(tmp_path):
    fake = machine(tmp_path)
    (tmp_path / IMA_LOG_FILE).write_bytes(IMA_LOG + ima_entry(b"/later", b"file"))
    item = collector(tmp_path, fake).collect(binding=BINDING)
    assert item.collateral["ima-log"] == IMA_LOG


def test_a_log_that_explains_nothing_is_sent_whole_and_refused_by_the_verifier(tmp_path):
    fake = machine(tmp_path)
    other = ima_entry(b"/other", b"file")
    (tmp_path / IMA_LOG_FILE).write_bytes(other)
    assert collector(tmp_path, fake).collect(binding=BINDING).collateral["ima-log"] == other


def test_a_kernel_without_logs_sends_none(tmp_path):
    item = collector(tmp_path, machine(tmp_path, logs=False)).collect(binding=BINDING)
    assert item.collateral == {}


def test_the_ima_log_is_sent_only_with_its_register(tmp_path):
    selection = type(SELECTION)(bank=SELECTION.bank, pcrs=frozenset({4, 14}))
    item = collector(tmp_path, machine(tmp_path), selection=selection).collect(binding=BINDING)
    assert item.collateral.keys() == {"event-log"}
    assert parse_report(item.report).values.keys() == {4, 14}


def test_a_machine_without_a_tpm_says_which_file_it_lacks(tmp_path):
    (missing,) = collector(tmp_path, machine).missing()
    assert missing.startswith(f"{tmp_path}/dev/tpmrm0: not there")


@pytest.mark.parametrize("length", [0, 32, 65])
def test_evidence_is_collected_over_a_whole_binding_only(tmp_path, length):
    fake = machine(tmp_path)
    with pytest.raises(MalformedError, match="^binding:"):
        collector(tmp_path, fake).collect(binding=bytes(length))
    assert fake.sent == []


def test_outside_a_run_no_register_is_touched_and_nothing_is_said_of_running_code(tmp_path):
    fake = machine(tmp_path)
    fake.extend(14, b"d" * 32)
    before = dict(fake.registers)
    item = collector(tmp_path, fake, events=()).collect(binding=BINDING)
    assert fake.registers == before
    (facts,) = VERIFIER.verify(item, at=AT).facts
    assert facts.runtime == NoRuntimeLog()
