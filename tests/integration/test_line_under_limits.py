# SPDX-License-Identifier: Apache-2.0
"""A damaged part and every limit, through the whole line: one error each, never half a result."""

import contextlib
import os
import random  # noqa: TID251 - seeded data
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from cleanroom.contract import places
from cleanroom.contract.resources import AS_QUERIED, Resources
from cleanroom.errors import IntegrityError, RefusedError, ResourcesExceededError
from cleanroom.receipt.model import Answered
from cleanroom.vault.chunks import SEALED_CHUNK_BYTES
from cleanroom.vault.header import HEADER_BYTES
from tests.support.room_simulator import BY_EMAIL, EXAMPLE, HEALTH, RoomSimulator, Table

PEOPLE, STAYS = 1500, 60
SUM = b"SELECT ward, sum(cost) AS total, count(*) AS n FROM hospital.stays GROUP BY ward"
JOINED = b"hospital.stays a JOIN hospital.stays b ON a.email = b.email "
# 60 x 60 x 60 x 60 rows for each person: more than any processor joins in a second.
ENDLESS = (
    b"SELECT a.ward, count(*) AS n FROM " + JOINED + b"JOIN hospital.stays c ON a.email = c.email "
    b"JOIN hospital.stays d ON a.email = d.email GROUP BY a.ward"
)
DISTINCT = b"SELECT a.ward, count(DISTINCT b.stay_id) AS n FROM " + JOINED + b"GROUP BY a.ward"
MODEST = Resources(memory_mib=512, seconds=60, rows=100)


def stays(path):
    """Write many stays; what they cost follows no rule, so that little of it compresses."""
    chance = random.Random(7)  # noqa: S311 - invented data
    lines = ["stay_id,email,ward,year,days,cost"]
    for person in range(PEOPLE):
        for stay in range(STAYS):
            number = person * STAYS + stay
            cost = chance.randrange(1_999_993) / 100
            ward = ("surgery", "cardiology")[number % 2]
            lines.append(f"{number},person.{person}@example.org,{ward},2025,{stay},{cost}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    place = tmp_path_factory.mktemp("world")
    policy = EXAMPLE / "policies" / "hospital.stays.toml"
    large = Table(source=stays(place / "stays.csv"), policy=policy, normalisation=BY_EMAIL)
    simulator = RoomSimulator(place, tables={"hospital": (large,), "insurer": HEALTH["insurer"]})
    simulator.agree()
    yield simulator
    simulator.close()


def nothing_left(world, run):
    return not (world.room / places.receipt_file(run)).exists() and not [
        path for path in (world.room / "runs" / run).iterdir() if "result" in path.name
    ]


def test_a_part_damaged_in_the_middle_ends_the_run_by_its_name_and_leaves_nothing(world):
    query = world.approved(SUM, name="total")
    (part,) = (world.room / "datasets" / "hospital.stays" / "parts").glob("*.part")
    data = part.read_bytes()
    middle = HEADER_BYTES + SEALED_CHUNK_BYTES + SEALED_CHUNK_BYTES // 2
    assert len(data) > middle + SEALED_CHUNK_BYTES, "the damage must not be in the last chunk"
    part.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    damaged = world.request(query, run="run-damaged1")
    with pytest.raises(IntegrityError, match=r"^hospital\.stays parts/1-00000\.part: ") as refused:
        world.execute(damaged)
    assert refused.value.code == "vault.tampered"
    assert nothing_left(world, damaged)
    part.write_bytes(data)
    world.execute(world.request(query, run="run-mended01"))
    assert len(world.result("run-mended01").rows) == 2


def withheld(world, sql, resources, *, name):
    query = world.approved(sql, name=name, resources=resources)
    run = world.request(query, run=f"run-{name}01")
    world.execute(run)
    with pytest.raises(ResourcesExceededError) as refused:
        world.result(run)
    return refused.value


def test_the_end_of_its_time_has_an_error_of_its_own_with_what_to_do(world):
    refused = withheld(world, ENDLESS, replace(MODEST, seconds=1), name="endless")
    assert refused.code == "engine.time"
    assert refused.hint == "ask for more seconds in the query's resources"


def test_the_end_of_its_memory_has_an_error_of_its_own_with_what_to_do(world, tmp_path):
    world.scratch = tmp_path / "no such directory"
    refused = withheld(world, DISTINCT, replace(MODEST, memory_mib=16), name="greedy")
    assert refused.code == "engine.memory"
    assert refused.hint.startswith("ask for more memory in the query's resources")


@contextlib.contextmanager
def disk_of(size, place):
    """Mount a disk of its own, so small that a query can fill it."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
    try:
        done = subprocess.run(mount, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("nothing here mounts disks")
    if done.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_the_end_of_its_disk_has_an_error_of_its_own_with_what_to_do(world, tmp_path):
    def ended(memory_mib):
        allowed = replace(MODEST, memory_mib=memory_mib)
        return withheld(world, DISTINCT, allowed, name=f"spilling{memory_mib}")

    with disk_of("8m", tmp_path / "small") as world.scratch:
        # How much is enough to begin putting aside depends on the processors.
        found = map(ended, range(16, 81, 16))
        refused = next(each for each in found if each.code != "engine.memory")
    assert refused.code == "engine.disk"
    assert refused.hint.startswith("ask for more memory in the query's resources, or give")


@contextlib.contextmanager
def files_without_a_name(directory):
    """Keep whatever this process opens in a directory, to be read after it was closed."""
    kept: dict[str, int] = {}
    stop = threading.Event()

    def watch():
        while not stop.wait(0.005):
            for link in Path("/proc/self/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(link.readlink())
                    if target.startswith(f"{directory}/") and target not in kept:
                        kept[target] = os.dup(int(link.name))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield kept
    finally:
        stop.set()
        watcher.join()


def put_aside(world, memory_mib):
    """Run a query with so much memory, and read what it left on the disk if it answered."""
    name = f"aside{memory_mib}"
    query = world.approved(DISTINCT, name=name, resources=replace(MODEST, memory_mib=memory_mib))
    run = world.request(query, run=f"run-{name}001")
    with files_without_a_name(world.scratch) as kept:
        world.execute(run)
    with contextlib.suppress(RefusedError):
        assert len(world.result(run).rows) == 2
        return b"".join(map(whole, kept.values()))
    return b""


def whole(descriptor):
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


def test_what_a_whole_run_puts_aside_lies_nowhere_readable(world, tmp_path):
    world.scratch = tmp_path / "scratch"
    world.scratch.mkdir()
    # How much is too little to hold everything and enough to answer depends on the processors.
    found = (put_aside(world, memory_mib) for memory_mib in range(32, 161, 16))
    data = next(filter(None, found), b"")
    assert len(data) > 1 << 20, "nothing was put aside"
    assert b"cardiology" not in data


@pytest.mark.slow
def test_the_contract_allows_less_than_its_queries_ask_for(tmp_path):
    """A limit that the parties agreed ends a run in its own error, and costs what was reserved."""
    simulator = RoomSimulator(tmp_path, tables=HEALTH)
    simulator.agree(resources=replace(AS_QUERIED, rows=1))
    refused = withheld(simulator, SUM, MODEST, name="agreed")
    assert refused.code == "disclosure.rows"
    body = simulator.verify("run-agreed01").body
    assert body.answered is Answered.REFUSED
    simulator.close()


@pytest.mark.slow
def test_a_result_larger_than_its_resources_is_an_error_of_its_own(tmp_path):
    """Few rows of long names: only their bytes are too many."""
    lines = ["stay_id,email,ward,year,days,cost"]
    for number in range(40 * 20):
        ward = f"ward {number % 40:02} {'x' * 30_000}"
        lines.append(f"{number},person.{number}@example.org,{ward},2025,3,100")
    (tmp_path / "stays.csv").write_text("\n".join(lines) + "\n")
    policy = EXAMPLE / "policies" / "hospital.stays.toml"
    long = Table(source=tmp_path / "stays.csv", policy=policy, normalisation=BY_EMAIL)
    simulator = RoomSimulator(tmp_path, tables={"hospital": (long,), "insurer": HEALTH["insurer"]})
    simulator.agree()
    sql = b"SELECT ward, count(*) AS n FROM hospital.stays GROUP BY ward"
    refused = withheld(simulator, sql, replace(MODEST, result_mib=1), name="large")
    assert refused.code == "disclosure.result-size"
    assert simulator.verify("run-large01").body.answered is Answered.REFUSED
    wide = simulator.approved(sql, name="wide", resources=replace(MODEST, result_mib=2))
    run = simulator.request(wide, run="run-wide0001")
    simulator.execute(run)
    assert len(simulator.result(run).rows) == 40
    simulator.close()
