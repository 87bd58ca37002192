# SPDX-License-Identifier: Apache-2.0
"""A machine measures its own start; the runner's guest part extends, quotes and is verified.

Firmware (OVMF), a Debian kernel and the collector of the product run in a virtual
machine whose TPM is swtpm; ``/dev/tpmrm0`` and the kernel's logs are the real ones.
"""

import base64
import secrets
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.endorsement import enrol
from cleanroom.attestation.platforms.tpm.event_log import parse_event_log
from cleanroom.attestation.platforms.tpm.ima import parse_ima_log
from cleanroom.attestation.platforms.tpm.report import parse_report
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.attestation_terms import PcrClause, Unrestricted
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from cleanroom.kernel.clock import system_clock
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import make_profile, make_runtime
from tests.support.measured_vm import boot, initrd, require_machine
from tests.support.swtpm import set_up, swtpm_transport
from tests.support.test_pki import AT
from tests.support.tpm_evidence import BINDING, EVENTS, RUNTIME, with_items

pytestmark = [pytest.mark.vm, pytest.mark.slow]

MODULES = ("base64", "pathlib", "cleanroom.attestation.platforms.tpm.collect")
GUEST = """
import base64
from pathlib import Path
from cleanroom.attestation.facts import RuntimeEvent
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.collect import TpmCollector
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.tpm.transport import open_device
from cleanroom.kernel.digest import Digest
collector = TpmCollector(
    platform="tpm", connect=open_device, root=Path("/"), register=14,
    selection=PcrSelection(bank=Hash.SHA256, pcrs=frozenset(range(16))),
    events=tuple(RuntimeEvent(name=name, digest=Digest.parse(digest))
                 for name, digest in request["events"]),
)
assert collector.missing() == (), collector.missing()
item = collector.collect(binding=base64.b64decode(request["binding"]))
try:
    collector.collect(binding=bytes(64))
    again = "collected"
except Exception as error:
    again = error.code
answer({"again": again, "report": base64.b64encode(item.report).decode(),
        "collateral": {name: base64.b64encode(data).decode()
                       for name, data in item.collateral.items()}})
"""
MEASURED = (0, 1, 2, 3, 4, 5, 6, 7, 9)


@pytest.fixture(scope="module")
def booted(tmp_path_factory):
    """Enrol the TPM's key, then boot a machine with that TPM and let it attest."""
    require_machine()
    state = tmp_path_factory.mktemp("tpm")
    makers = set_up(state)
    key = _enrolled(state, makers)
    request = {
        "binding": base64.b64encode(BINDING).decode(),
        "events": [[event.name, str(event.digest)] for event in EVENTS],
    }
    packed = initrd(GUEST, MODULES)
    answer = boot(packed, state=state, request=request)
    item = EvidenceItem(
        platform="tpm",
        report=base64.b64decode(answer["report"]),
        collateral={name: base64.b64decode(data) for name, data in answer["collateral"].items()},
    )
    assert answer["again"] == "tpm.register-used", "one start serves one run"
    return item, key, packed


def _enrolled(state, makers):
    root = x509.load_pem_x509_certificates(makers)[-1]
    with swtpm_transport(state) as transport:
        tpm = Tpm(transport)
        leaf = x509.load_der_x509_certificate(tpm.endorsement_certificate())
        with tpm.attestation_key() as key, tpm.endorsement_key() as endorsement:
            return enrol(
                attestation=key.public,
                endorsement=endorsement.public,
                chain=leaf.public_bytes(Encoding.PEM) + makers,
                roots=(Digest.of(root.public_bytes(Encoding.DER)),),
                at=system_clock(),  # the makers' certificates are as old as this test
                activate=lambda credential: tpm.activate(
                    key=key, endorsement=endorsement, credential=credential
                ),
                random=secrets.token_bytes,
            )


def clause(item, key, **changes):
    values = parse_report(item.report).values
    named = {index: frozenset({values[index]}) for index in MEASURED}
    agreed = PcrClause(
        bank="sha256",
        values=named | dict.fromkeys((8, 10, 11, 12, 13, 15), Unrestricted()),
        runtime=14,
        key_trust=frozenset({"unproven"}),
        keys=frozenset({key}),
    )
    return replace(agreed, **changes)


def broker(item, agreed, *, runtime=RUNTIME):
    profile = make_profile(platforms=frozenset({"tpm"}), clauses=(agreed,))
    genuine = verify_evidence(Evidence.of(item), binding=BINDING, at=AT, trust=trust_for(profile))
    return genuine, appraise(genuine, profile=profile, runtime=runtime, at=AT)


def test_the_machine_is_verified_with_both_its_logs(booted):
    item, key, _ = booted
    genuine, result = broker(item, clause(item, key))
    said = {check.name: check.found for check in genuine.machine.checks}
    assert said["event log"].endswith("replay to 0, 1, 2, 3, 4, 5, 6, 7, 9")
    assert said["IMA log"].endswith("replay to register 10")
    assert said["runtime log"] == "register 14 holds exactly runner, contract, query"
    assert result.measurement == RUNTIME.runner


def test_the_log_names_the_very_file_system_that_the_guest_ran_from(booted):
    item, _, packed = booted
    log = parse_event_log(item.collateral["event-log"])
    assert any(event.digests[Hash.SHA256] == Hash.SHA256.digest(packed) for event in log.events)
    assert {event.register for event in log.events if event.data_is_measured(Hash.SHA256)} >= {7}
    assert parse_ima_log(item.collateral["ima-log"])[0].path == "boot_aggregate"


def test_another_kernel_or_another_key_is_refused(booted):
    item, key, _ = booted
    agreed = clause(item, key)
    other = {**agreed.values, 4: frozenset({bytes(32)})}
    with pytest.raises(EvidenceRefusedError, match="^tpm pcr 4:"):
        broker(item, replace(agreed, values=other))
    with pytest.raises(EvidenceRefusedError, match="^tpm key:"):
        broker(item, clause(item, Digest.of(b"another machine")))
    with pytest.raises(EvidenceRefusedError):
        broker(item, agreed, runtime=make_runtime(run="run-00000002"))


def test_a_log_with_an_entry_changed_or_left_out_is_refused(booted):
    item, key, _ = booted
    log = item.collateral["event-log"]
    digest = parse_event_log(log).events[0].digests[Hash.SHA256]
    for changed in ({"event-log": log.replace(digest, bytes(32), 1)}, {"ima-log": b""}):
        with pytest.raises(IntegrityError, match="register"):
            broker(with_items(item, **changed), clause(item, key))
