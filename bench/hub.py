# SPDX-License-Identifier: Apache-2.0
"""Measure a hub: signed requests, and uploads beside hashing and beside the disk.

The hub is a process of its own, as ``cleanroom hub serve`` starts it. Whoever asks for
metadata is another, with requests that were signed just before; uploads are the product's
own client here. Data lies on a real disk, because a hub's promise is what fsync gives.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.asking import ask, signed_request
from bench.measure import Case, Report, Settings, Taken, Work, compare, told
from cleanroom.contract.introduction import Introduction
from cleanroom.hub.hub import admit_party
from cleanroom.hub.wire import OBJECT_BYTES, encode_objects
from cleanroom.identity.pins import Replace
from cleanroom.kernel.clock import system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import sync_directory
from cleanroom.kernel.limits import MIB
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.push import AT_ONCE, Pusher
from cleanroom.mirror.state import MirrorState
from cleanroom.mirror.straight import FilePiece
from tests.support.keys import ThrowawayParty, throwaway_party
from tests.support.served_brokers import caller_of, free_loopback_address

REQUESTS = 400  # of a round at scale 1 and above, as are the objects
CALLERS = 4
OBJECTS = 16
LEAST_OBJECTS = 2
LARGER = 4  # times as many, because a file system and a hub take a while to get going
LARGER_TIMES = 3
DISK = "/var/tmp"
_NOTHING = Digest.of(b"nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    address: str
    pid: int

    def processor(self) -> float:
        """Return the seconds of processor that the hub has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return its largest resident memory so far, in MiB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def requests_of(settings: Settings) -> int:
    """How many requests a round has."""
    return max(CALLERS, min(REQUESTS, int(REQUESTS * settings.scale)))


def objects_of(settings: Settings) -> int:
    """How many objects a round uploads."""
    return max(LEAST_OBJECTS, min(OBJECTS, int(OBJECTS * settings.scale)))


def measure_hub(settings: Settings) -> Report:
    """Measure signed requests a second, and uploads."""
    party = throwaway_party("hospital")
    objects = objects_of(settings)
    sent_mib = objects * OBJECT_BYTES // MIB
    with tempfile.TemporaryDirectory(dir=DISK) as name, ExitStack() as stack:
        directory = Path(name)
        served = stack.enter_context(_hub(directory / "hub", party))
        caller = caller_of(party, system_clock)
        client = HubClient(f"{served.address}/bench", caller=caller)
        stack.enter_context(client)
        asked, spent, asking = _ask(served, caller, settings)
        before = served.processor()
        sent = _send(client, directory, objects, times=settings.times)
        # One more round than counts, and two uploads in each.
        uploading = (served.processor() - before) / (settings.times + 1) / 2
        larger = _send(client, directory, objects * LARGER, times=min(settings.times, LARGER_TIMES))
        memory = served.memory()
    return Report(
        title="hub",
        data=f"One hub on loopback, {CALLERS} callers; {AT_ONCE} objects of 4 MiB at once.",
        cases=(asked, sent, larger),
        figures={
            "signed requests a second, best round": f"{1 / _best(asked, 'signed request'):.0f}",
            "processor of the hub for one, least": f"{min(spent) * 1000:.1f} ms",
            "processor of whoever asks for one, least": f"{min(asking) * 1000:.1f} ms",
            f"processor of the hub for {sent_mib} MiB": f"{uploading * 1000:.0f} ms",
            "upload, best round": f"{sent_mib / _best(sent, 'upload'):.0f} MiB/s",
            "largest resident memory of the hub": f"{memory} MiB",
        },
    )


@contextmanager
def _hub(directory: Path, party: ThrowawayParty) -> Iterator[_Served]:
    admit_party(directory, "bench", party.document, replace=Replace.NO)
    address = free_loopback_address()
    command = [sys.executable, "-m", "cleanroom.cli", "hub", "serve", "--directory", str(directory)]
    command += ["--listen", address.removeprefix("http://")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        if process.stdout is not None:
            process.stdout.readline()
        try:
            yield _Served(address=address, pid=process.pid)
        finally:
            process.terminate()


def _ask(
    served: _Served, caller: Introduction, settings: Settings
) -> tuple[Case, list[float], list[float]]:
    spent: list[float] = []
    asking: list[Taken] = []
    body = encode_objects([_NOTHING])
    count = requests_of(settings)

    def request() -> bytes:
        return signed_request(
            served.address,
            "POST",
            "/v0/rooms/bench/missing",
            body,
            caller=caller,
            clock=system_clock,
        )

    def ask_all() -> None:
        requests = [request() for _ in range(count)]
        before = served.processor()
        asking.append(ask(served.address, requests, callers=CALLERS))
        spent.append((served.processor() - before) / count)

    case = compare("ask for metadata", {"signed request": ask_all}, times=settings.times)
    each = tuple(
        Taken(wall=taken.wall / count, processor=taken.processor / count) for taken in asking[1:]
    )
    case = told(replace(case, runs={"signed request": each}))
    return case, spent, [taken.processor / count for taken in asking]


def _send(client: HubClient, directory: Path, objects: int, *, times: int) -> Case:
    """Compare uploads of a sealed part with what no hub can leave out."""
    work = directory / f"sent-{objects}"
    pusher = _pusher(client, work / "mirror")
    few = [os.urandom(OBJECT_BYTES) for _ in range(min(objects, OBJECTS))]
    pieces = [few[number % len(few)] for number in range(objects)]
    # Fresh bytes each round: an object that is there is not written again.
    known = iter([_part(work, f"known-{number}", objects) for number in range(times + 1)])
    new = iter([_part(work, f"new-{number}", objects) for number in range(times + 1)])
    place = pusher.mirror / "datasets/hospital.bench/parts"
    place.mkdir(parents=True)
    os.sync()

    def push() -> None:
        number = len(list(place.iterdir()))
        next(new).path.rename(place / f"{objects}-{number:05}.part")
        pusher.push()

    ways: dict[str, Work] = {
        "write and sync": lambda: _write(pieces, work),
        "objects, several at once": lambda: _write_objects(pieces, work),
        "SHA-256": lambda: _hash(pieces),
        "upload": lambda: _upload(next(known), client),
        "hash and push": push,
    }
    return compare(f"send {objects * OBJECT_BYTES // MIB} MiB", ways, times=times)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    path: Path
    digests: tuple[Digest, ...]


def _part(work: Path, name: str, objects: int) -> _Part:
    path, digests = work / name, list[Digest]()
    with path.open("wb") as file:
        for _ in range(objects):
            piece = os.urandom(OBJECT_BYTES)
            file.write(piece)
            digests.append(Digest.of(piece))
    return _Part(path=path, digests=tuple(digests))


def _pusher(client: HubClient, mirror: Path) -> Pusher:
    mirror.mkdir(parents=True)
    state = MirrorState(url="http://bench")
    return Pusher(client=client, mirror=mirror, state=state, party="hospital")


def _write(pieces: list[bytes], directory: Path) -> None:
    """Write files one after the other, each synced: the least that a disk can be asked."""
    for number, piece in enumerate(pieces):
        with (directory / f"plain-{number}").open("wb") as file:
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())


def _write_objects(pieces: list[bytes], directory: Path) -> None:
    """Write what a hub keeps, as many at once: created alone, synced, named, the name synced."""

    def write(number: int) -> None:
        path = directory / f"object-{number}"
        with (directory / f"incoming-{number}").open("xb") as file:
            file.write(pieces[number])
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
        sync_directory(directory)

    with ThreadPoolExecutor(AT_ONCE) as callers:
        for _ in callers.map(write, range(len(pieces))):
            pass


def _hash(pieces: list[bytes]) -> None:
    for piece in pieces:
        hashlib.sha256(piece).digest()


def _upload(part: _Part, client: HubClient) -> None:
    """Send objects whose names are known, as a push does that was cut off."""

    def send(number: int) -> None:
        start = number * OBJECT_BYTES
        piece = FilePiece(path=part.path, start=start, size=OBJECT_BYTES)
        client.put_piece(part.digests[number], piece)

    with ThreadPoolExecutor(AT_ONCE) as callers:
        for _ in callers.map(send, range(len(part.digests))):
            pass


def _best(case: Case, way: str) -> float:
    return min(taken.wall for taken in case.runs[way])
