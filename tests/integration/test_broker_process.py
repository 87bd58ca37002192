# SPDX-License-Identifier: Apache-2.0
"""A broker as its own process, from a profile, over the socket in its document."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from cleanroom.contract.broker_requests import ChallengeRequest, ContractNotice
from cleanroom.kernel.clock import system_clock
from cleanroom.runner.broker_client import BrokerClient
from tests.support.brokers import ScriptedRunner, install_data_key, read_release, require_logged
from tests.support.keys import PASSPHRASE, throwaway_party, write_profile
from tests.support.room_documents import DAY, RUN, build_room

# Seconds for what takes one, on a machine that is busy with other things.
PATIENCE = 300


@pytest.fixture(scope="module")
def config():
    """Two profiles whose sockets have short names, and a room in force now."""
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        yield Path(name), write_profiles(Path(name))


def write_profiles(directory):
    """Write profiles of two parties that know each other."""
    people = {
        party: throwaway_party(party, broker_address=f"unix:{directory}/{party}.sock")
        for party in ("hospital", "insurer")
    }
    for party in people.values():
        profile = write_profile(directory, party)
        for other in people.values():
            (profile.pins_directory / f"{other.name}.toml").write_bytes(other.document.raw)
            (profile.pins_directory / f"{other.name}.toml").chmod(0o600)
    return people


@pytest.fixture(scope="module")
def room(config):
    return room_in_force(*config)


def room_in_force(directory, people):
    """Make a room that is in force now, and put its data keys into the brokers' homes."""
    now = system_clock()
    room = build_room(
        parties=people,
        contract={"not_before": now - DAY, "expires": now + DAY},
        approvals={name: {"expires": now + DAY} for name in ("hospital", "insurer")},
        run={"expires": now + DAY},
    )
    for lineage in room.dataset_terms:
        owner = lineage.partition(".")[0]
        install_data_key(directory / owner / "broker", party=people[owner], lineage=lineage)
    return room


def start(directory, *, profile="hospital", passphrase=PASSPHRASE, new_group=False):
    """Start a broker's process with its passphrase on a descriptor."""
    reading, writing = os.pipe()
    os.write(writing, passphrase + b"\n")
    os.close(writing)
    command = [sys.executable, "-m", "cleanroom.server"]
    command += ["--config", str(directory), "--profile", profile, "--passphrase-fd", str(reading)]
    process = subprocess.Popen(
        command,
        pass_fds=[reading],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0 if new_group else None,
    )
    os.close(reading)
    return process


@contextmanager
def running(directory, *, profile="hospital"):
    """Run a broker's process until the block ends; then ask it to stop."""
    process = start(directory, profile=profile)
    try:
        yield process.stdout.readline().strip(), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def uses_of_a_release(room, address):
    """Ask a broker for keys, and return how many uses its release counts."""
    with BrokerClient(address) as client:
        runner = ScriptedRunner(room=room)
        ask = ChallengeRequest(contract=room.contract_digest, run=RUN)
        nonces = {"hospital": client.challenge(ask).nonce, "insurer": b"n" * 32}
        request = runner.request(runner.runtime(nonces), issued_at=system_clock())
        logged = client.release(request)
        require_logged(room, "hospital", logged)
        return read_release(room, "hospital", logged).uses.used


def test_a_broker_process_releases_and_stops_cleanly(config, room):
    directory, people = config
    with running(directory) as (address, process):
        assert address == people["hospital"].document.broker_address
        assert uses_of_a_release(room, address) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr.read() == ""
    assert not (directory / "hospital.sock").exists()


def test_a_killed_broker_starts_again_and_remembers(config, room):
    directory, _ = config
    with running(directory, profile="insurer") as (address, process):
        with BrokerClient(address) as client:
            first = client.notice(ContractNotice(bundle=room.contract_bundle))
        process.kill()
        process.wait(timeout=PATIENCE)
    assert (directory / "insurer.sock").exists()
    with running(directory, profile="insurer") as (address, _), BrokerClient(address) as client:
        again = client.notice(ContractNotice(bundle=room.contract_bundle))
        assert again.statement == first.statement
        assert client.status().log_size == 1


def test_a_second_broker_of_one_party_does_not_start(config):
    directory, _ = config
    with running(directory):
        second = start(directory)
        out, err = second.communicate(timeout=PATIENCE)
        assert (out, second.returncode) == ("", 6)
        assert "another broker holds it" in err


@pytest.mark.parametrize(
    ("passphrase", "status"),
    [(b"xyzzy", 5), (b"x" * 2000, 4)],
    ids=["wrong", "long"],
)
def test_a_broker_does_not_start_without_its_passphrase(config, passphrase, status):
    process = start(config[0], passphrase=passphrase)
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, process.returncode) == ("", status)
    assert err.startswith("error: ")
    assert passphrase.decode() not in err or not passphrase


def front_of(process):
    """Return the number of the one process that a broker's process started."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def is_gone(pid):
    """Tell whether a process has ended, whether or not anybody has asked for its status."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def holds(pid, secret):
    """Tell whether a process has some bytes anywhere in its memory."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode = line.split()[:2]
            if not mode.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(number, 16) for number in place.split("-"))
            memory.seek(start)
            try:
                data = memory.read(end - start)
            except OSError:
                continue
            if secret in data:
                return True
    return False


def test_whoever_speaks_http_has_no_key_in_its_memory(config):
    """T-18: what reads the network's bytes holds nothing that it could give away."""
    directory, people = config
    seeds = people["hospital"].unlocked
    with running(directory) as (address, process):
        with BrokerClient(address) as client:
            assert client.status().party == "hospital"
        for secret in (seeds.broker_seed, seeds.state_seed, PASSPHRASE):
            assert not holds(front_of(process), secret)
        # The look itself finds what is there.
        assert holds(process.pid, seeds.broker_seed)
        assert holds(front_of(process), address.encode())


def test_a_broker_ends_with_the_process_in_front_of_it(config):
    with running(config[0]) as (_, process):
        os.kill(front_of(process), signal.SIGKILL)
        assert process.wait(timeout=PATIENCE) == 6
        assert "its process that speaks HTTP ended" in process.stderr.read()


def test_the_process_in_front_ends_with_its_broker_and_frees_the_door(config):
    with running(config[0]) as (_, process):
        front = front_of(process)
        process.kill()
        process.wait(timeout=PATIENCE)
        until = time.monotonic() + PATIENCE
        while not is_gone(front):
            assert time.monotonic() < until
            os.sched_yield()
    with running(config[0]) as (address, _), BrokerClient(address) as client:
        assert client.status().party == "hospital"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_broker_that_is_asked_to_end_leaves_nobody_behind(config, number):
    with running(config[0]) as (address, process):
        front = front_of(process)
        process.send_signal(number)
        assert process.wait(timeout=PATIENCE) == 0
        assert is_gone(front)
    assert not Path(address.removeprefix("unix:")).exists()


def test_ctrl_c_while_a_broker_starts_ends_it_without_a_word(config):
    """A terminal tells the whole group; the process in front is still loading then."""
    process = start(config[0], new_group=True)
    until = time.monotonic() + PATIENCE
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text():
        assert time.monotonic() < until
        os.sched_yield()
    front = front_of(process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, err, process.returncode) == ("", "", 0)
    assert is_gone(front)


def test_what_keeps_the_process_in_front_from_starting_is_said_by_the_broker(config):
    directory, people = config
    place = Path(people["hospital"].document.broker_address.removeprefix("unix:"))
    place.write_text("not a socket")
    process = start(directory)
    out, err = process.communicate(timeout=PATIENCE)
    place.unlink()
    assert (out, process.returncode) == ("", 3)
    assert err.startswith("error: broker address: something that is no socket lies there\nhint: ")
