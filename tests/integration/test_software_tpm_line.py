# SPDX-License-Identifier: Apache-2.0
"""The whole line with real quotes: swtpm attests, brokers release, the receipt verifies offline."""

import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom import room as line
from cleanroom.attestation.evidence import parse_evidence
from cleanroom.attestation.platforms.tpm.parse import parse_signature
from cleanroom.attestation.platforms.tpm.public import parse_public
from cleanroom.attestation.platforms.tpm.report import parse_report
from cleanroom.contract import places
from cleanroom.contract.types import ParameterType
from tests.support.keys import pins_of
from tests.support.room_simulator import EXAMPLE, RoomSimulator, domain
from tests.support.swtpm import require_program

RUN = "run-00000001"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    require_program("swtpm")
    simulator = RoomSimulator(tmp_path_factory.mktemp("ran"))
    simulator.agree(receivers=("insurer",), platforms=("vtpm-software",))
    query = simulator.approved(
        (EXAMPLE / "programmes.sql").read_bytes(),
        name="programmes",
        parameters=domain("year", ParameterType.INTEGER, 2024, 2025),
    )
    simulator.execute_request(query, run=RUN, parameters={"year": 2025})
    yield simulator, query
    simulator.close()


def test_the_receipt_verifies_and_shouts_that_it_was_a_software_tpm(ran):
    simulator, _ = ran
    verified = simulator.verify(RUN)
    assert all(step.held for step in verified.lines)
    assert verified.body.platform == "vtpm-software"
    assert "SOFTWARE TPM - NOT CONFIDENTIAL" in verified.body.banner
    assert simulator.result(RUN).rows


def test_the_receipt_verifies_where_there_is_no_tpm_at_all(ran, tmp_path):
    simulator, _ = ran
    elsewhere = tmp_path / "room"
    shutil.copytree(simulator.room, elsewhere)
    verified = line.verify(
        elsewhere / places.receipt_file(RUN), trust=pins_of(*simulator.parties.values())
    )
    assert verified.body.platform == "vtpm-software"


def report_of(simulator):
    body = simulator.verify(RUN).body
    return parse_report(parse_evidence(body.evidence).report)


def test_the_quote_names_runner_contract_and_query(ran):
    simulator, query = ran
    runtime = report_of(simulator).runtime
    named = {event.name: event.digest for event in runtime.events}
    assert runtime.register == 14
    assert list(named) == ["runner", "contract", "query"]
    assert named["query"] == query.digest


def test_openssl_verifies_the_quote_in_the_receipt(ran, tmp_path):
    require_program("openssl")
    simulator, _ = ran
    report = report_of(simulator)
    key = parse_public(report.key).key
    (tmp_path / "key").write_bytes(
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    r, s = (int.from_bytes(part, "big") for part in parse_signature(report.signature).parts)
    (tmp_path / "signature").write_bytes(encode_dss_signature(r, s))
    (tmp_path / "quote").write_bytes(report.quote)
    command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "quote"]
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0


def test_the_contract_names_the_software_tpm_alone(ran):
    simulator, _ = ran
    text = (simulator.room / places.CONTRACT).read_text()
    assert 'platforms = ["vtpm-software"]' in text
    receipt = json.loads((simulator.room / places.receipt_file(RUN)).read_text())
    assert "payload" in receipt
