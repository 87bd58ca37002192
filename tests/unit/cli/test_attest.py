# SPDX-License-Identifier: Apache-2.0
import base64
import json

import pytest

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence
from cleanroom.attestation.platforms.simulated.root import published_root
from cleanroom.cli.main import run
from tests.support import nvidia_forge
from tests.support.attested_runs import NOW, make_debug_evidence, make_evidence, make_runtime

RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
EVIDENCE = make_evidence(RUNTIME)
AT = ("--at", "2026-11-22T12:00:00Z")
GOOD = ("--kind", "simulated", *AT)


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.bin"
    path.write_bytes(EVIDENCE.report)
    return path


def typed(capsys, *args):
    status = run([str(arg) for arg in args])
    done = capsys.readouterr()
    return status, done.out, done.err


def test_genuine_evidence_gives_one_line_a_check_and_says_what_was_not_compared(report, capsys):
    status, out, err = typed(capsys, "attest", "verify", report, *GOOD)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("ok     root: pinned")
    assert lines[1].startswith("ok     signature:")
    assert lines[2].startswith("ok     nonce: NOT COMPARED")
    assert lines[3] == "ok     debug: off"
    assert lines[-1] == "genuine simulated at 2026-11-22T12:00:00Z"
    assert "NOT CONFIDENTIAL" in err


def test_the_binding_is_compared_whole(report, capsys):
    status, out, _ = typed(
        capsys, "attest", "verify", "--evidence", report, *GOOD, "--binding", BINDING.hex()
    )
    assert status == 0
    assert "ok     nonce: report_data carries exactly what was given" in out
    for wrong in (BINDING[:32], BINDING + b"\0", bytes(64), BINDING[::-1]):
        status, out, err = typed(
            capsys, "attest", "verify", report, *GOOD, "--binding", wrong.hex()
        )
        assert status == 3
        assert "FAILED nonce: report_data carries" in out
        assert "error: nonce:" in err


def test_json_holds_every_check_and_every_claim(report, capsys):
    _, out, _ = typed(
        capsys, "attest", "verify", report, *GOOD, "--binding", BINDING.hex(), "--json"
    )
    value = json.loads(out)
    assert value["verified"] is True
    assert value["kind"] == "simulated"
    assert [item["check"] for item in value["checks"]] == ["root", "signature", "nonce", "debug"]
    assert value["claims"]["carried"]["report_data"] == BINDING.hex()
    assert value["claims"]["confidential"] is False
    assert value["warnings"]


@pytest.mark.parametrize(
    ("change", "ending"),
    [
        (lambda data: data[:-1], (4, "simulated.length")),
        (lambda data: data + b"\0", (4, "simulated.length")),
        (lambda data: b"X" + data[1:], (4, "simulated.magic")),
        (lambda data: data[:60] + bytes(64) + data[124:], (5, "attestation.signature")),
        (lambda data: data[:0], (4, "attestation.empty")),
    ],
)
def test_a_damaged_file_has_its_own_status_and_code(report, capsys, change, ending):
    report.write_bytes(change(EVIDENCE.report))
    found, out, _ = typed(capsys, "attest", "verify", report, *GOOD, "--json")
    assert (found, json.loads(out)["error"]["code"]) == ending


def test_a_refusal_says_what_held_before_and_found_against_agreed(report, capsys):
    report.write_bytes(EVIDENCE.report[:60] + bytes(64) + EVIDENCE.report[124:])
    _, out, _ = typed(capsys, "attest", "verify", report, *GOOD, "--json")
    value = json.loads(out)
    assert (value["verified"], value["kind"]) == (False, "simulated")
    assert [item["check"] for item in value["checks"]] == [
        "form of the report",
        "published root",
        "time",
    ]
    assert value["failed"] == {
        "check": "simulated report",
        "found": "the signature does not match",
        "agreed": "",
    }
    _, out, _ = typed(capsys, "attest", "verify", report, *GOOD)
    assert out.splitlines()[0] == "ok     form of the report: holds"
    assert out.splitlines()[-1].startswith("FAILED simulated report: ")


@pytest.mark.parametrize(
    ("args", "failed"),
    [
        (("--binding", "00"), ("nonce", "report_data carries ", "00")),
        (("--kind", "tdx"), ("kind", "what looks like simulated", "tdx")),
    ],
)
def test_what_failed_stands_apart_from_what_was_agreed(report, capsys, args, failed):
    _, out, _ = typed(capsys, "attest", "verify", report, *GOOD, *args, "--json")
    found = json.loads(out)["failed"]
    assert found["check"] == failed[0]
    assert found["found"].startswith(failed[1])
    assert found["agreed"].endswith(failed[2])


def test_a_file_of_another_kind_is_refused_as_what_it_looks_like(report, capsys):
    status, out, _ = typed(capsys, "attest", "verify", report, "--kind", "tdx", *AT, "--json")
    error = json.loads(out)["error"]
    assert error["message"] == "kind: found what looks like simulated, agreed tdx"
    assert (status, error["code"], error["hint"]) == (4, "attestation.kind", "--kind simulated")
    report.write_bytes(b"what is this")
    _, out, _ = typed(capsys, "attest", "verify", report, "--kind", "tdx", *AT, "--json")
    assert json.loads(out)["failed"]["check"] == "dcap quote"


def own_evidence(tmp_path):
    runtime = make_runtime()
    machine = make_evidence(runtime)
    gpu = nvidia_forge.make_item()
    path = tmp_path / "own.json"
    path.write_bytes(encode_evidence(Evidence.of(machine, devices=(gpu,))))
    return path


def test_evidence_of_ours_is_verified_with_each_of_its_devices(tmp_path, capsys):
    own = own_evidence(tmp_path)
    status, out, _ = typed(capsys, "attest", "verify", own, *AT, "--json")
    value = json.loads(out)
    # The device is signed below the project's own root, which nobody pinned.
    assert (status, value["kind"], value["device"]) == (5, "nvidia-gpu", 1)
    assert value["devices"][0]["kind"] == "simulated"
    assert value["failed"]["check"] == "nvidia device root"


def test_a_list_of_devices_needs_no_kind_by_name(tmp_path, capsys):
    item = nvidia_forge.make_item()
    device = {
        "evidence": base64.b64encode(item.report).decode(),
        "certificate": base64.b64encode(item.collateral["chain"]).decode(),
    }
    path = tmp_path / "devices.json"
    request = {"nonce": "00" * 32, "arch": "HOPPER", "evidence_list": [device, device]}
    for devices, kind in (
        ([device, device], ()),
        ([device, device], ("--kind", "nvidia-gpu")),
        (request, ()),
    ):
        path.write_text(json.dumps(devices))
        status, out, _ = typed(capsys, "attest", "verify", path, *AT, *kind, "--json")
        value = json.loads(out)
        # Each is read as one device, and below a root that nobody pinned.
        assert (status, value["failed"]["check"]) == (5, "nvidia device root")


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("--kind", "snp"), "kind: the evidence says simulated, agreed snp"),
        (("--collateral", __file__), "collateral: found files beside evidence that carries"),
    ],
)
def test_evidence_of_ours_is_of_the_kind_that_it_says(tmp_path, capsys, args, reason):
    own = own_evidence(tmp_path)
    status, out, _ = typed(capsys, "attest", "verify", own, *AT, *args, "--json")
    assert (status, json.loads(out)["error"]["message"][: len(reason)]) == (4, reason)


def test_a_root_that_the_stranger_brings_is_compared_with_the_pin(report, tmp_path, capsys):
    root = tmp_path / "root"
    root.write_bytes(published_root())
    assert typed(capsys, "attest", "verify", report, *GOOD, "--collateral", root)[0] == 0
    root.write_bytes(published_root()[:-1] + b"x")
    assert typed(capsys, "attest", "verify", report, *GOOD, "--collateral", root)[0] == 5


def test_evidence_is_judged_at_the_time_that_was_typed(report, capsys):
    for at, status in (("2026-01-01", 0), ("2025-12-31", 3), ("1798761600", 0), ("2046-01-01", 3)):
        found, out, _ = typed(capsys, "attest", "verify", report, "--kind", "simulated", "--at", at)
        assert found == status, out


@pytest.mark.parametrize(
    "args",
    [
        ("--at", "yesterday"),
        ("--at", "2026-11-22T12:00:00"),
        ("--at", "9" * 30),
        ("--binding", "abc"),
        ("--binding", "zz"),
        ("--binding", "@report_data"),
        # A variable that nobody set is no wish to compare nothing.
        ("--binding", ""),
    ],
)
def test_a_line_that_cannot_be_meant_is_a_usage_error(report, capsys, args):
    assert typed(capsys, "attest", "verify", report, "--kind", "simulated", *args)[0] == 2


def test_the_file_is_named_once(report, capsys):
    assert typed(capsys, "attest", "verify", *GOOD)[0] == 2
    assert typed(capsys, "attest", "verify", report, "--evidence", report, *GOOD)[0] == 2


def test_a_place_that_the_kind_does_not_have_is_named(report, capsys):
    status, _, err = typed(capsys, "attest", "verify", report, *GOOD, "--binding", "00@user_data")
    assert status == 4
    assert "agreed one of report_data" in err


def test_debug_is_refused_unless_the_reader_accepts_it(report, capsys):
    report.write_bytes(make_debug_evidence(RUNTIME).report)
    status, out, _ = typed(capsys, "attest", "verify", report, *GOOD)
    assert status == 3
    assert "FAILED debug: found on, agreed forbidden" in out
    status, out, _ = typed(capsys, "attest", "verify", report, *GOOD, "--accept-debug")
    assert status == 0
    assert "debug: ON" in out


def test_our_own_evidence_names_its_kind_itself(report, capsys):
    report.write_bytes(encode_evidence(EVIDENCE))
    assert typed(capsys, "attest", "verify", report, *AT)[0] == 0


def test_a_kind_may_be_recognised_and_must_be_known(report, capsys):
    assert typed(capsys, "attest", "verify", report, *AT)[0] == 0
    assert typed(capsys, "attest", "verify", report, "--kind", "sim", *AT)[0] == 0
    assert typed(capsys, "attest", "verify", report, "--kind", "riscv", *AT)[0] == 4
    report.write_bytes(b"\0" * 10)
    status, _, err = typed(capsys, "attest", "verify", report, *AT)
    assert status == 4
    assert "no kind that is known" in err


def test_show_believes_nothing(report, capsys):
    status, out, _ = typed(capsys, "attest", "show", report, "--json")
    value = json.loads(out)
    assert (status, value["verified"], value["kind"]) == (0, False, "simulated")
    report.write_bytes(EVIDENCE.report[:-1])
    assert "not verified" in typed(capsys, "attest", "show", report)[1]


def test_explain_says_what_is_proven_and_what_is_not(report, capsys):
    status, out, _ = typed(capsys, "attest", "explain", report, *AT)
    assert status == 0
    assert "It does not prove:" in out
    assert "anybody can make one" in out
    report.write_bytes(make_debug_evidence(RUNTIME).report)
    status, out, _ = typed(capsys, "attest", "explain", report, *AT, "--json")
    assert json.loads(out)["warnings"][0].startswith("DEBUG MODE")
    report.write_bytes(EVIDENCE.report[:-1])
    assert typed(capsys, "attest", "explain", report, *AT)[0] == 4


def test_every_kind_is_listed(capsys):
    _, out, _ = typed(capsys, "attest", "kinds", "--json")
    standing = {item["kind"]: item["standing"] for item in json.loads(out)["kinds"]}
    assert standing["simulated"] == "stands alone"


def test_a_draft_of_a_profile_lints_as_not_filled_in(tmp_path, capsys):
    status, out, err = typed(capsys, "attest", "profile", "new", "--platform", "snp-azure-vtpm")
    assert status == 0
    assert "accepts nothing" in err
    draft = tmp_path / "profile.toml"
    draft.write_text(out)
    status, out, _ = typed(capsys, "attest", "profile", "lint", draft, "--json")
    findings = json.loads(out)["findings"]
    places = {item["place"] for item in findings if item["severity"] == "error"}
    assert status == 0
    assert "contract.toml: attestation.snp.products" in places
    assert "contract.toml: attestation.pcrs.values" not in places
    assert "contract.toml: attestation.azure.vm_ids" in places


def test_a_draft_for_an_unknown_platform_is_refused(capsys):
    assert typed(capsys, "attest", "profile", "new", "--platform", "sev")[0] == 4


def test_a_machine_without_the_device_says_so(tmp_path, capsys):
    out = tmp_path / "evidence.json"
    status, _, err = typed(
        capsys, "attest", "collect", "--kind", "snp", "--binding", BINDING.hex(), "--out", out
    )
    assert status == 6
    assert err.startswith("error: snp:")
    assert not out.exists()


def test_evidence_is_collected_over_64_bytes_only(tmp_path, capsys):
    out = tmp_path / "evidence.json"
    line = ("attest", "collect", "--kind", "snp", "--binding", "00" * 32, "--out", out)
    assert typed(capsys, *line)[0] == 4


def test_the_runner_names_the_digest_that_a_draft_holds(capsys, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1\n")
    _, out, _ = typed(capsys, "runner", "measure", "--json", "--lock", lock, "--files")
    value = json.loads(out)
    _, draft, _ = typed(capsys, "attest", "profile", "new", "--platform", "nitro")
    assert value["measurement"] in draft
    assert len(value["lock"]["sha384"]) == 96
    assert len(value["files"]) == value["source_files"]
    assert typed(capsys, "runner", "measure", "--lock", tmp_path / "none")[0] == 6
    assert value["measurement"] in typed(capsys, "runner", "measure")[1]
    assert NOW.year == 2026
