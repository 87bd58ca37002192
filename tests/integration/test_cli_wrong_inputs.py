# SPDX-License-Identifier: Apache-2.0
"""One wrong thing at each step of the journey: its own exit status, and nothing changes."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command_line import EXAMPLE, Party, agree_on_example, two_parties

ZEROS = "sha256:" + "0" * 64
POLICY = EXAMPLE / "policies" / "hospital.stays.toml"
STAYS = EXAMPLE / "data" / "stays.csv"
SQL = EXAMPLE / "programmes.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Both parties after they signed the contract, on one disk."""

    hospital: Party
    insurer: Party
    room: Path

    def fingerprint(self) -> str:
        """Digest everything on the disk, so that a test sees any change.

        A staged data key is left out: no broker reads it, and the next sealing takes it up.
        """
        found = hashlib.sha256()
        for path in sorted(self.room.parent.rglob("*")):
            if path.is_file() and path.name != ".lock" and not path.match(".*.sealing.json"):
                found.update(str(path).encode() + path.read_bytes())
        return found.hexdigest()


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> World:
    directory = tmp_path_factory.mktemp("agreed")
    parties = two_parties(directory)
    agree_on_example(parties, directory / "room")
    return World(hospital=parties[0], insurer=parties[1], room=directory / "room")


@pytest.fixture
def world(agreed: World, tmp_path: Path) -> World:
    """Copy the world, so that a test may spoil its own."""
    shutil.copytree(agreed.room.parent, tmp_path / "world")
    home = tmp_path / "world"
    return World(
        hospital=Party(name="hospital", home=home / "hospital"),
        insurer=Party(name="insurer", home=home / "insurer"),
        room=home / "room",
    )


def refused(
    world: World, party: Party, *arguments: str | Path, room: Path | None = None
) -> tuple[int, str]:
    """Type a command that must be refused without a trace; returns status and code."""
    before = world.fingerprint()
    done = party.refused(*arguments, "--room", room or world.room)
    assert world.fingerprint() == before
    assert done.err == ""
    assert done.json["error"]["message"]
    return done.status, done.code


def test_a_party_name_that_is_none_is_malformed(world: World) -> None:
    assert refused(world, world.hospital, "init", "../evil")[0] == 4


def test_a_draft_names_no_receiver_that_cannot_be_a_party(world: World) -> None:
    done = world.hospital.refused("policy", "suggest", STAYS, "--receiver", "Ins urer")
    assert (done.status, done.code) == (4, "party.name")


def test_init_again_changes_nothing_and_prints_the_same_fingerprint(world: World) -> None:
    before = world.fingerprint()
    again = world.hospital.succeeds("init", "hospital", "--room", world.room)
    shown = world.hospital.succeeds("party", "show")
    assert again["fingerprint"] == shown["fingerprint"]
    assert again["created"] is False
    assert world.fingerprint() == before


def test_trust_with_another_fingerprint_is_an_integrity_error(world: World) -> None:
    before = world.fingerprint()
    document = world.room / "parties" / "insurer.toml"
    done = world.hospital.refused("party", "trust", document, "--fingerprint", ZEROS)
    assert (done.status, done.code) == (5, "pins.fingerprint")
    assert world.fingerprint() == before


@pytest.mark.parametrize("written", ["sha256:00", "0" * 64, "SHA256:" + "0" * 64])
def test_a_fingerprint_of_another_form_is_malformed(world: World, written: str) -> None:
    document = world.room / "parties" / "insurer.toml"
    done = world.hospital.refused("party", "trust", document, "--fingerprint", written)
    assert (done.status, done.code) == (4, "digest.format")


def test_trust_without_a_fingerprint_asks_only_on_a_terminal(world: World) -> None:
    document = world.room / "parties" / "insurer.toml"
    done = world.hospital.refused("party", "trust", document)
    assert (done.status, done.code) == (2, "usage")
    assert "--fingerprint" in done.json["error"]["hint"]


def test_trust_in_a_file_that_is_no_party_document_is_malformed(world: World) -> None:
    done = world.hospital.refused("party", "trust", POLICY, "--fingerprint", ZEROS)
    assert done.status == 4


def test_a_wrong_passphrase_is_an_integrity_error(world: World) -> None:
    world.hospital.passphrase_file.write_bytes(b"wrong horse battery staple\n")
    for command in (("contract", "sign"), ("query", "submit", SQL, "--param", "year=2025")):
        assert refused(world, world.hospital, *command) == (5, "identity.passphrase")


def test_sealing_needs_one_policy_a_file(world: World) -> None:
    arguments = ("data", "seal", STAYS, STAYS, "--policy", POLICY)
    assert refused(world, world.hospital, *arguments) == (2, "usage")


def test_sealing_a_missing_file_is_unavailable(world: World, tmp_path: Path) -> None:
    arguments = ("data", "seal", tmp_path / "none.csv", "--policy", POLICY)
    assert refused(world, world.hospital, *arguments)[0] == 6


def test_sealing_under_another_partys_policy_is_refused(world: World) -> None:
    policy = EXAMPLE / "policies" / "insurer.members.toml"
    source = EXAMPLE / "data" / "members.csv"
    arguments = ("data", "seal", source, "--policy", policy)
    assert refused(world, world.hospital, *arguments)[0] == 3


def test_a_normalisation_of_no_column_is_a_usage_error(world: World) -> None:
    rule = ("--normalise", "mail=email-sha256")
    arguments = ("data", "seal", STAYS, "--policy", POLICY, *rule)
    assert refused(world, world.hospital, *arguments) == (2, "usage")


def test_a_file_that_lacks_a_column_is_refused_by_name(world: World, tmp_path: Path) -> None:
    source = tmp_path / "stays.csv"
    lines = STAYS.read_text().splitlines()
    source.write_text("\n".join(line.rpartition(",")[0] for line in lines))
    done = world.hospital.refused("data", "seal", source, "--policy", POLICY, "--room", world.room)
    assert done.status == 3
    assert "cost" in done.json["error"]["message"]


def test_a_sealing_that_cannot_go_on_starts_again_when_asked(world: World) -> None:
    parts = world.room / "datasets" / "hospital.stays" / "parts"
    (parts / ".2.journal.json").write_bytes(b"{}")
    rule = ("--normalise", "email=email-sha256")
    arguments = ("data", "seal", STAYS, "--policy", POLICY, *rule, "--room", world.room)
    assert world.hospital.refused(*arguments).status == 4
    sealed = world.hospital.succeeds(*arguments, "--restart")["sealed"]
    assert [dataset["version"] for dataset in sealed] == [2]
    assert not list(parts.glob(".*"))


def test_a_contract_for_two_needs_two_parties(world: World) -> None:
    (world.room / "parties" / "insurer.toml").unlink()
    new = ("contract", "new", "--template", "two-party")
    assert refused(world, world.hospital, *new) == (3, "draft.room")


def test_signing_a_contract_with_a_changed_byte_of_a_policy_is_refused(world: World) -> None:
    """T-02: what others can do with my data is what I signed, to the byte."""
    policy = world.room / "datasets" / "hospital.stays" / "policy.toml"
    policy.write_bytes(policy.read_bytes().replace(b"units = 10", b"units = 3", 1))
    assert refused(world, world.hospital, "contract", "sign")[0] == 5


def test_signing_with_a_party_that_is_not_pinned_is_refused(world: World) -> None:
    """T-03: a document in the room proves nothing about whose keys it holds."""
    (world.hospital.home / "cleanroom" / "hospital" / "pins" / "insurer.toml").unlink()
    status, code = refused(world, world.hospital, "contract", "sign")
    assert (status, code) == (3, "identity.unproven")


def test_the_hint_to_trust_a_party_runs_as_typed(world: World) -> None:
    (world.hospital.home / "cleanroom" / "hospital" / "pins" / "insurer.toml").unlink()
    told = world.insurer.succeeds("party", "show")["fingerprint"]
    for command in (("contract", "sign"), ("data", "inspect", "insurer.members"), ("audit",)):
        done = world.hospital.refused(*command, "--room", world.room)
        typed = shlex.split(done.json["error"]["hint"].rpartition("cleanroom ")[2])
        assert typed == ["party", "trust", str(world.room / "parties" / "insurer.toml")]
    world.hospital.succeeds(*typed, "--fingerprint", told)


def test_a_contract_that_is_not_toml_is_malformed(world: World) -> None:
    (world.room / "contract.toml").write_text("name = [")
    assert refused(world, world.hospital, "contract", "show") == (4, "toml.syntax")


def test_verifying_a_contract_with_a_changed_byte_is_an_integrity_error(world: World) -> None:
    path = world.room / "contract.toml"
    path.write_bytes(path.read_bytes().replace(b"max_runs = 100", b"max_runs = 101"))
    assert refused(world, world.hospital, "contract", "verify")[0] == 5


def test_an_empty_room_is_named_as_such(world: World, tmp_path: Path) -> None:
    status, code = refused(world, world.hospital, "contract", "show", room=tmp_path / "none")
    assert (status, code) == (6, "room.absent")


def test_a_query_that_singles_out_a_person_is_refused_with_place_and_fix(
    world: World, tmp_path: Path
) -> None:
    """T-08: admission refuses before any key is asked for."""
    file = tmp_path / "one.sql"
    file.write_text(
        "SELECT s.ward, sum(s.cost) AS cost FROM hospital.stays AS s\n"
        "WHERE s.email = 'person.1@example.org' GROUP BY s.ward"
    )
    before = world.fingerprint()
    done = world.insurer.refused("query", "submit", file, "--room", world.room)
    error = done.json["error"]
    assert done.status == 3
    assert error["code"].startswith("admission.")
    assert error["place"].startswith("line 2")
    assert error["hint"]
    assert error["grant"]
    assert "person.1" not in done.out
    assert world.fingerprint() == before


def test_a_parameter_without_a_domain_is_refused_at_submission(world: World) -> None:
    status, code = refused(world, world.insurer, "query", "submit", SQL)
    assert status == 3
    assert code.startswith("admission.")


@pytest.mark.parametrize("pair", ["year", "=2025", "year:float=1.5", "year:integer=x"])
def test_a_parameter_of_another_form_is_a_usage_error(world: World, pair: str) -> None:
    submit = ("query", "submit", SQL, "--param", pair)
    assert refused(world, world.insurer, *submit) == (2, "usage")


def test_approving_a_query_that_is_not_there_is_unavailable(world: World) -> None:
    assert refused(world, world.hospital, "query", "approve", "nothing")[0] == 6


def test_approving_a_name_that_is_a_path_is_malformed(world: World) -> None:
    assert refused(world, world.hospital, "query", "approve", "../contract")[0] == 4


def test_running_a_query_that_is_not_there_is_unavailable(world: World) -> None:
    assert refused(world, world.insurer, "run", "nothing")[0] == 6


def test_running_without_brokers_says_which_command_is_missing(world: World) -> None:
    """T-19: the request is signed, and no use is spent, because no broker decided."""
    year = ("--param", "year=2024,2025")
    world.insurer.succeeds("query", "submit", SQL, *year, "--room", world.room)
    world.hospital.succeeds("query", "approve", "programmes", "--room", world.room)
    done = world.insurer.refused("run", "programmes", "--param", "year=2025", "--room", world.room)
    assert done.status == 6
    assert "cleanroom broker serve" in done.json["error"]["hint"]


def test_running_before_everybody_approved_is_refused(world: World) -> None:
    world.insurer.succeeds("query", "submit", SQL, "--param", "year=2025", "--room", world.room)
    run = ("run", "programmes", "--param", "year=2025")
    assert refused(world, world.insurer, *run) == (3, "approval.missing")


def test_a_value_outside_its_domain_is_refused(world: World) -> None:
    """T-12: a parameter takes the approved values and no other."""
    world.insurer.succeeds("query", "submit", SQL, "--param", "year=2024", "--room", world.room)
    world.hospital.succeeds("query", "approve", "programmes", "--room", world.room)
    done = world.insurer.refused("run", "programmes", "--param", "year=2025", "--room", world.room)
    assert done.status == 3
    assert "2025" not in done.json["error"]["message"]
    assert not (world.room / "runs").exists(), "a signed request outlived its refusal"


def test_a_run_id_that_is_a_path_is_malformed(world: World) -> None:
    assert refused(world, world.insurer, "result", "get", "../../etc/passwd")[0] == 4


def test_revoking_asks_for_yes_without_a_terminal(world: World) -> None:
    assert refused(world, world.hospital, "revoke", "contract", ZEROS) == (2, "usage")


def test_a_part_with_a_changed_byte_is_named_by_inspect(world: World) -> None:
    part = world.room / "datasets" / "hospital.stays" / "parts" / "1-00000.part"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    done = world.hospital.refused("data", "inspect", "hospital.stays", "--room", world.room)
    assert done.status == 5
    assert "parts/1-00000.part" in done.json["error"]["message"]


def test_nobody_but_the_owner_can_delete_a_dataset(world: World) -> None:
    arguments = ("data", "delete", "hospital.stays", "--yes")
    assert refused(world, world.insurer, *arguments) == (3, "data.owner")


def test_nobody_but_the_owner_can_open_a_dataset(world: World, tmp_path: Path) -> None:
    arguments = ("data", "open", "hospital.stays", tmp_path / "stays.parquet")
    assert refused(world, world.insurer, *arguments) == (3, "data.owner")
    assert not (tmp_path / "stays.parquet").exists()


def test_a_deleted_dataset_is_gone_in_every_version(world: World, tmp_path: Path) -> None:
    (world.room / "datasets/hospital.stays/parts/2-00001.part").touch()
    world.hospital.succeeds("data", "delete", "hospital.stays", "--yes", "--room", world.room)
    (left,) = world.hospital.succeeds("data", "list", "--room", world.room)["datasets"]
    assert [left["dataset"], *world.room.glob("datasets/*stays/parts/*")] == ["insurer.members"]
    assert refused(world, world.hospital, "data", "open", "hospital.stays", tmp_path / "s")[0] == 6


def test_a_key_file_that_others_can_read_is_refused_and_the_doctor_names_it(world: World) -> None:
    """T-16: whoever could read it may have done so, and the owner has to know."""
    seeds = world.hospital.home / "cleanroom" / "hospital" / "keys" / "seeds.json"
    seeds.chmod(0o644)
    assert refused(world, world.hospital, "contract", "sign") == (3, "file.mode")
    done = world.hospital.types("doctor", "--room", world.room, "--json")
    assert done.status == 1
    broken = [check for check in done.json["checks"] if check["state"] == "broken"]
    assert any("seeds.json" in check["found"] for check in broken)


def test_several_profiles_and_none_chosen_is_unavailable(world: World) -> None:
    (world.hospital.home / "cleanroom" / "clinic").mkdir()
    (world.hospital.home / "cleanroom" / "clinic" / "profile.toml").touch()
    assert refused(world, world.hospital, "contract", "sign") == (6, "profile.ambiguous")


def test_a_profile_that_is_not_there_is_unavailable(world: World) -> None:
    arguments = ("contract", "sign", "--profile", "clinic")
    assert refused(world, world.hospital, *arguments) == (6, "profile.absent")


def test_a_passphrase_is_never_taken_from_the_command_line(world: World) -> None:
    arguments = ("contract", "sign", "--passphrase", "correct horse battery staple")
    assert refused(world, world.hospital, *arguments) == (2, "usage")


def test_a_contract_without_a_platform_is_drafted_with_none_and_said_to_be_useless(
    world: World,
) -> None:
    drafted = world.hospital.succeeds(
        "contract", "new", "--template", "two-party", "--room", world.room
    )
    assert any("platform" in finding for finding in drafted["findings"])
    assert "platforms = []" in (world.room / "contract.toml").read_text()
    assert world.hospital.types("contract", "lint", "--room", world.room).status == 3


def test_a_contract_takes_a_filled_in_profile_as_it_stands(world: World, tmp_path: Path) -> None:
    draft = ("attest", "profile", "new", "--platform", "snp", "--gpus", "1")
    written = world.hospital.succeeds(*draft)["profile"]
    assert "driver_rims = []" in written
    filled = tmp_path / "machines.toml"
    filled.write_text(written.replace("driver_rims = []", f'driver_rims = ["sha256:{7:064x}"]'))
    new = ("contract", "new", "--template", "two-party", "--attestation", filled)
    world.hospital.succeeds(*new, "--room", world.room)
    agreed = (world.room / "contract.toml").read_text()
    assert f'driver_rims = ["sha256:{7:064x}"]' in agreed
    # What the contract says is the profile, to its digest.
    digests = {
        world.hospital.succeeds("attest", "profile", "lint", path)["digest"]
        for path in (filled, world.room / "contract.toml")
    }
    assert len(digests) == 1


def test_a_contract_takes_platforms_or_a_profile_and_not_both(world: World, tmp_path: Path) -> None:
    before = (world.room / "contract.toml").read_bytes()
    new = ("contract", "new", "--template", "two-party", "--attestation")
    profile = tmp_path / "profile.toml"
    drafted = world.hospital.succeeds("attest", "profile", "new", "--platform", "snp")
    profile.write_text(drafted["profile"])
    assert refused(world, world.hospital, *new, str(profile), "--platform", "tdx") == (2, "usage")
    profile.write_text("not a profile")
    assert refused(world, world.hospital, *new, str(profile))[0] == 4
    assert refused(world, world.hospital, *new, str(tmp_path / "none"))[0] == 6
    assert (world.room / "contract.toml").read_bytes() == before


def test_a_new_draft_names_the_signed_contract_as_its_predecessor(world: World) -> None:
    agreed = world.hospital.succeeds("contract", "verify", "--room", world.room)["digest"]
    new = ("contract", "new", "--template", "two-party", "--platform", "simulated")
    world.hospital.succeeds(*new, "--room", world.room)
    assert f'predecessor = "{agreed}"' in (world.room / "contract.toml").read_text()
    archived = world.room / "archive" / agreed.removeprefix("sha256:")
    changes = world.hospital.succeeds("contract", "diff", archived, "--room", world.room)
    assert "predecessor" in {change["clause"] for change in changes["changes"]}
