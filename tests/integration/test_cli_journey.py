# SPDX-License-Identifier: Apache-2.0
"""From nothing to a verified result by typing, at most eight commands a party."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cleanroom.cli import room_checks
from cleanroom.cli.findings import Finding, Surroundings
from cleanroom.kernel.clock import system_clock
from tests.support.command_line import EXAMPLE, Done, Party, serving, two_parties

SQL = EXAMPLE / "programmes.sql"
EXPECTED = json.loads((EXAMPLE / "expected.json").read_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Everything that was typed, and what came of it."""

    hospital: Party
    insurer: Party
    room: Path
    typed: dict[str, list[str]]
    ran: Done
    run: str

    @property
    def receipt(self) -> Path:
        return self.room / "runs" / self.run / "receipt.json"


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    directory = tmp_path_factory.mktemp("journey")
    hospital, insurer = two_parties(directory)
    room = directory / "room"
    typed: dict[str, list[str]] = {"hospital": [], "insurer": []}

    def types(party: Party, *arguments: str | Path) -> dict[str, Any]:
        typed[party.name].append(" ".join(map(str, arguments)))
        return party.succeeds(*arguments, "--room", room)

    def trusts(party: Party, other: Party, fingerprint: str) -> None:
        document = room / "parties" / f"{other.name}.toml"
        typed[party.name].append(f"party trust {document}")
        party.succeeds("party", "trust", document, "--fingerprint", fingerprint)

    told = {party: types(party, "init", party.name)["fingerprint"] for party in (hospital, insurer)}
    for party, other in ((hospital, insurer), (insurer, hospital)):
        party.eases_its_key()
        trusts(party, other, told[other])
    rule = ("--normalise", "email=email-sha256")
    for party, table in ((hospital, "stays"), (insurer, "members")):
        policy = EXAMPLE / "policies" / f"{party.name}.{table}.toml"
        types(party, "data", "seal", EXAMPLE / "data" / f"{table}.csv", "--policy", policy, *rule)
    draft = ("--template", "two-party", "--platform", "simulated", "--receiver", "insurer")
    types(hospital, "contract", "new", *draft)
    for party in (hospital, insurer):
        types(party, "contract", "sign")
        typed[party.name].append("broker serve")
    with serving(hospital, insurer):
        types(insurer, "query", "submit", SQL, "--param", "year=2024,2025")
        types(hospital, "query", "approve", "programmes")
        typed["insurer"].append("run programmes")
        ran = insurer.program("run", "programmes", "--param", "year=2025", "--room", room, "--json")
        assert ran.status == 0, ran.out + ran.err
        yield Journey(
            hospital=hospital,
            insurer=insurer,
            room=room,
            typed=typed,
            ran=ran,
            run=ran.json["run"],
        )


def test_the_journey_takes_at_most_eight_commands_a_party(journey: Journey) -> None:
    assert {name: len(commands) for name, commands in journey.typed.items()} == {
        "hospital": 7,
        "insurer": 7,
    }


def test_the_run_prints_the_result_of_the_example(journey: Journey) -> None:
    result = journey.ran.json["result"]
    assert result["rows"] == EXPECTED["rows"]
    assert result["withheld"] == EXPECTED["withheld"]


def test_the_run_says_loudly_that_it_was_simulated(journey: Journey) -> None:
    assert "SIMULATED" in journey.ran.json["banner"].upper()


def test_a_receiver_gets_the_result_again_and_as_a_file(journey: Journey, tmp_path: Path) -> None:
    again = journey.insurer.succeeds("result", "get", journey.run, "--room", journey.room)
    assert again["rows"] == EXPECTED["rows"]
    path = tmp_path / "result.csv"
    done = journey.insurer.types("result", "get", journey.run, "-o", path, "--room", journey.room)
    assert (done.status, done.out) == (0, "")
    lines = path.read_text().splitlines()
    assert lines[0] == "ward,programme,patients,stays,average_days,total_cost"
    assert len(lines) == len(EXPECTED["rows"]) + 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_party_that_is_no_receiver_gets_nothing(journey: Journey) -> None:
    done = journey.hospital.refused("result", "get", journey.run, "--room", journey.room)
    assert done.status == 3


def test_verify_prints_one_line_a_check(journey: Journey) -> None:
    done = journey.hospital.types("verify", journey.receipt)
    assert done.status == 0
    lines = done.out.splitlines()
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert len(lines) > 8
    assert lines[-1].startswith(f"verified {journey.run} sha256:")


def test_verify_with_the_contracts_digest_needs_no_pins(journey: Journey, tmp_path: Path) -> None:
    auditor = Party(name="auditor", home=tmp_path / "auditor").settle()
    verified = journey.hospital.succeeds("verify", journey.receipt)
    digest = verified["contract"]
    assert auditor.succeeds("verify", journey.receipt, "--contract", digest)["verified"]


def test_verify_without_pins_says_identities_unproven(journey: Journey, tmp_path: Path) -> None:
    stranger = Party(name="stranger", home=tmp_path / "stranger").settle()
    done = stranger.types("verify", journey.receipt)
    assert done.status == 3
    assert "identities unproven" in done.err
    # Whoever has no profile can pin nobody: the hint names what works without one.
    assert "--contract sha256:" in done.err
    assert "party trust" not in done.err


def test_verify_with_another_contracts_digest_is_refused(journey: Journey) -> None:
    other = "sha256:" + "0" * 64
    assert journey.hospital.refused("verify", journey.receipt, "--contract", other).status in (3, 5)


def test_the_audit_finds_every_statement_of_the_receipts(journey: Journey) -> None:
    audited = journey.hospital.succeeds("audit", "--room", journey.room)["audited"]
    assert [(row["party"], row["source"], row["receipts"]) for row in audited] == [
        ("hospital", "broker", 1),
        ("insurer", "broker", 1),
    ]
    assert (journey.room / "log" / "hospital" / "checkpoint").is_file()


def test_an_audit_names_the_party_whose_log_does_not_hold(journey: Journey, tmp_path: Path) -> None:
    journey.hospital.succeeds("audit", "--room", journey.room)
    room = shutil.copytree(journey.room, tmp_path / "room")
    checkpoint = room / "log" / "insurer" / "checkpoint"
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"insurer", b"insured"))
    done = journey.hospital.types("audit", "--room", room)
    assert done.status == 5
    assert done.err.startswith("error: log of insurer: ")
    assert "broker restore" not in done.err


def test_an_author_reads_the_explanation_before_the_query_is_signed(
    journey: Journey, tmp_path: Path
) -> None:
    room = shutil.copytree(journey.room, tmp_path / "room")
    options = ("--param", "year=2024,2025", "--room", room)
    explained = journey.insurer.types("query", "explain", SQL, *options)
    done = journey.insurer.types("query", "submit", SQL, "--name", "again", *options)
    assert done.status == 0, done.err
    assert explained.out.strip() in done.err
    assert done.out.startswith("again sha256:")
    assert len(done.out.splitlines()) == 1


def test_ssh_keygen_verifies_the_contract_without_our_software(
    journey: Journey, tmp_path: Path
) -> None:
    shown = journey.insurer.succeeds("party", "show", *journey.insurer.home.rglob("pins/hosp*"))
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f"hospital {shown['signing_keys'][0]}\n")
    subprocess.run(
        [
            *("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "hospital"),
            *("-n", "cleanroom.contract.v0"),
            *("-s", journey.room / "contract.toml.sig" / "hospital.sig"),
        ],
        input=(journey.room / "contract.toml").read_bytes(),
        check=True,
        capture_output=True,
    )


def test_the_result_table_for_people_names_what_was_withheld(journey: Journey) -> None:
    done = journey.insurer.types("result", "get", journey.run, "--room", journey.room)
    assert "ward" in done.out.splitlines()[0]
    assert all(text in done.out for text in ("0-9 groups each by: difference,", "empty cells"))


def test_the_doctor_finds_no_broken_link(journey: Journey) -> None:
    done = journey.hospital.types("doctor", "--room", journey.room, "--json")
    broken = [check for check in done.json["checks"] if check["state"] == "broken"]
    assert broken == []
    assert done.status == 0
    state = {check["link"]: check["state"] for check in done.json["checks"]}
    links = ("contract for hospital", "data insurer.members", "query programmes")
    brokers = ("broker of hospital", "broker of insurer")
    assert {state[link] for link in (*links, *brokers)} == {"ok"}


CONTRACT, STAYS, QUERY = "contract for hospital", "data hospital.stays", "query programmes"
_STAYS, _QUERY = "datasets/hospital.stays", "queries/programmes"

# What a lost file leaves whole: no contract is the room's own finding, a dataset may not be
# sealed yet, a query without a document is none, and a decision that is not there is awaited.
LOST = {
    "contract.toml": {CONTRACT},
    f"{_STAYS}/dataset.toml": {CONTRACT},
    f"{_QUERY}/query.toml": {QUERY},
    f"{_QUERY}/approvals/insurer.toml": {QUERY},
}


@pytest.mark.parametrize(
    "place",
    [
        ("contract.toml", {CONTRACT}),
        ("contract.toml.sig/insurer.sig", {CONTRACT}),
        (f"{_STAYS}/parts/1-00000.part", {STAYS}),
        (f"{_STAYS}/dataset.toml", {CONTRACT, STAYS}),
        (f"{_STAYS}/dataset.toml.sig/hospital.sig", {CONTRACT, STAYS}),
        (f"{_STAYS}/policy.toml", {CONTRACT, STAYS}),
        (f"{_QUERY}/query.toml", {QUERY}),
        (f"{_QUERY}/query.sql", {QUERY}),
        (f"{_QUERY}/approvals/insurer.toml", {QUERY}),
        (f"{_QUERY}/approvals/hospital.toml.sig/hospital.sig", {QUERY}),
    ],
)
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_the_doctor_names_what_was_changed_or_lost_in_the_room(
    journey: Journey, tmp_path: Path, place: tuple[str, set[str]], damage: str
) -> None:
    file, links = place
    found = examined(journey, damaged(journey, tmp_path, file, damage))
    if damage == "missing":
        links = links - LOST.get(file, set())
    assert {finding.link for finding in found if finding.state == "broken"} == links
    assert all(finding.fix for finding in found if finding.state != "ok")


def test_the_doctor_says_whose_decision_a_query_waits_for(journey: Journey, tmp_path: Path) -> None:
    room = damaged(journey, tmp_path, f"{_QUERY}/approvals/insurer.toml", "missing")
    (finding,) = (finding for finding in examined(journey, room) if finding.link == QUERY)
    assert (finding.state, "insurer" in finding.found) == ("warning", True)


def damaged(journey: Journey, tmp_path: Path, file: str, damage: str) -> Path:
    room = tmp_path / "room"
    shutil.copytree(journey.room, room)
    place = room / file
    data = bytearray(place.read_bytes())
    if damage == "missing":
        place.unlink()
    elif place.suffix == ".toml":
        # Still a document, and not the one that was signed.
        place.write_bytes(data + b"# changed\n")
    else:
        data[len(data) // 2] ^= 1
        place.write_bytes(data)
    return room


def examined(journey: Journey, room: Path) -> list[Finding]:
    config = journey.hospital.home / "cleanroom"
    around = Surroundings(config=config, profile="", room=room, now=system_clock())
    checks = (room_checks.contracts, room_checks.data, room_checks.queries)
    return [finding for check in checks for finding in check(around)]


def test_lists_name_what_lies_in_the_room(journey: Journey) -> None:
    queries = journey.hospital.succeeds("query", "list", "--room", journey.room)["queries"]
    assert [query["query"] for query in queries] == ["programmes"]
    assert queries[0]["decisions"] == "hospital: approve, insurer: approve"
    shown = journey.hospital.types("query", "show", "programmes", "--room", journey.room)
    assert "count(DISTINCT s.email)" in shown.out
    datasets = journey.hospital.succeeds("data", "list", "--room", journey.room)["datasets"]
    assert [dataset["dataset"] for dataset in datasets] == ["hospital.stays", "insurer.members"]


def test_show_renders_the_contract_in_plain_words(journey: Journey) -> None:
    shown = journey.insurer.succeeds("contract", "show", "--room", journey.room)
    assert shown["signed_by"] == ["hospital", "insurer"]
    assert "Only insurer may receive a result." in shown["text"]


def test_an_owner_gets_the_plain_table_back(journey: Journey, tmp_path: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415

    path = tmp_path / "stays.parquet"
    journey.hospital.succeeds("data", "open", "hospital.stays", path, "--room", journey.room)
    assert pq.read_table(path).num_rows == 2000


def test_a_rejection_reaches_every_broker_and_stops_the_next_run(journey: Journey) -> None:
    """T-06: brokers know of the rejection themselves, so hiding it changes nothing."""
    rejected = journey.hospital.succeeds(
        *("query", "approve", "programmes", "--reject", "--reason", "reviewed again"),
        *("--room", journey.room),
    )
    assert rejected["acknowledged_by"] == ["hospital", "insurer"]
    done = journey.insurer.refused(
        "run", "programmes", "--param", "year=2025", "--room", journey.room
    )
    assert done.status == 3


def test_a_revocation_reaches_every_broker(journey: Journey) -> None:
    """T-06: brokers know of the revocation themselves."""
    (query,) = journey.hospital.succeeds("query", "list", "--room", journey.room)["queries"]
    revoked = journey.hospital.succeeds(
        *("revoke", "query", query["digest"], "--yes", "--room", journey.room)
    )
    assert (revoked["in_room"], revoked["acknowledged_by"]) == (True, ["hospital", "insurer"])
    assert len(list((journey.room / "revocations").glob("hospital-*.toml"))) == 1


def test_mock_data_needs_no_key_and_joins(journey, tmp_path):
    import duckdb  # noqa: PLC0415 - only here

    mocked = ("data", "mock", tmp_path / "mock", "--units", "50", "--room", journey.room)
    told = journey.insurer.succeeds(*mocked)["mock"]
    assert set(told) == {"hospital.stays", "insurer.members"}
    with duckdb.connect(":memory:") as engine:
        joined = engine.execute(
            "SELECT count(*) FROM read_parquet($1) s JOIN read_parquet($2) m ON s.email = m.email",
            [told["hospital.stays"]["file"], told["insurer.members"]["file"]],
        ).fetchone()
    assert joined[0] > 20
    first = (tmp_path / "mock" / "hospital.stays.parquet").read_bytes()
    journey.insurer.succeeds(*mocked)
    assert (tmp_path / "mock" / "hospital.stays.parquet").read_bytes() == first


def mock_run(journey: Journey, *more: str) -> tuple[str, ...]:
    return ("query", "run", "--mock", SQL, *more, "--room", journey.room)


def test_a_query_runs_on_invented_rows_and_says_so(journey):
    before = sorted(path for path in journey.room.rglob("*"))
    told = journey.insurer.succeeds(*mock_run(journey, "--param", "year=2025"))
    assert told["mock"] is True
    assert told["columns"] == EXPECTED["columns"]
    assert set(told["withheld"]) == set(EXPECTED["withheld"])
    # Neither history nor budget, and no document: asking again answers again.
    assert journey.insurer.succeeds(*mock_run(journey, "--param", "year=2025")) == told
    assert sorted(path for path in journey.room.rglob("*")) == before
    printed = journey.hospital.types(*mock_run(journey, "--param", "year=2025"))
    assert printed.out.splitlines()[0].startswith("MOCK: invented rows")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--param", "year=2024,2025"), "give the one value to run with"),
        ((), "admission.parameter"),
    ],
)
def test_a_mock_run_needs_one_value_of_each_parameter(journey, more, told):
    done = journey.insurer.types(*mock_run(journey, *more), "--json")
    assert (done.status != 0, told in done.out + done.err) == (True, True)


def test_real_rows_need_another_command(journey):
    done = journey.insurer.types("query", "run", SQL, "--room", journey.room)
    assert (done.status, "cleanroom run QUERY" in done.err) == (2, True)


@pytest.mark.parametrize("asked", [("explain",), ("submit",), ("run", "--mock")])
def test_python_takes_the_same_commands_and_needs_a_grant_of_its_own(journey, tmp_path, asked):
    """Policies of the example grant SQL alone."""
    script, declared = tmp_path / "cohort.py", tmp_path / "cohort.toml"
    script.write_text("def cohort(tables, parameters): ...\n")
    declared.write_text(
        'format = "cleanroom.analysis.v0"\nkind = "python_per_unit"\n'
        '[[datasets]]\nlineage = "hospital.stays"\ncolumns = ["days"]\n'
        '[python]\nentry_point = "cohort"\nunit = "hospital.stays"\n'
        'aggregates = [{ name = "people", function = "count" }]\n'
    )
    command = ("query", *asked, script, "--analysis", declared, "--room", journey.room)
    done = journey.insurer.types(*command, "--json")
    assert (done.status, done.code) == (3, "admission.kind")
    assert not (journey.room / "queries" / "cohort").exists()
