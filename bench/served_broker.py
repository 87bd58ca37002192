# SPDX-License-Identifier: Apache-2.0
"""Serve a broker of a benchmark's room in a process of its own, over signed HTTP.

``python -m bench.served_broker DIRECTORY ADDRESS`` serves until SIGTERM, as the product does:
one process holds the keys, and one in front of it speaks HTTP. The clock stands still, so
that the room's documents count whenever this is measured.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.vtpm_software.collect import SoftwareTpmCollector
from cleanroom.attestation.runtime_data import RuntimeData
from cleanroom.attestation.runtime_log import events_of
from cleanroom.contract.attestation_draft import draft_profile
from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.identity.pins import pin
from cleanroom.identity.watched_pins import WatchedPins
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.server.answers import BrokerAnswers
from cleanroom.server.front import FrontSettings, serve_behind_front
from cleanroom.server.journal import Verbosity
from tests.support.brokers import BrokerBench, CountedEntropy, ScriptedRunner, broker_owner
from tests.support.room_documents import RUNNER, RoomDocuments, build_room

MINE = "hospital.patients"
PLATFORM = "vtpm-software"


def busy_room(number: int) -> RoomDocuments:
    """Make the room of one run; all runs share one contract that never runs out."""
    profile = draft_profile([PLATFORM], measurements=[RUNNER], gpus=0)
    return build_room(
        contract={"max_runs": 1_000_000, "attestation": profile},
        policies={MINE: {"releases_per_receiver": 1_000_000, "releases_total": 1_000_000}},
        query={"datasets": {MINE: ("sex",), "insurer.members": ("plan",)}},
        run={"run": f"bench-run-{number:06}"},
    )


def attest(runner: ScriptedRunner, runtime: RuntimeData) -> ReleaseRequest:
    """Ask with a quote of a software TPM of this run's own."""
    collector = SoftwareTpmCollector(
        selection=PcrSelection(bank=Hash.SHA256, pcrs=frozenset({4, 7, 14})),
        register=14,
        events=events_of(runner=runtime.runner, contract=runtime.contract, query=runtime.query),
    )
    evidence = Evidence.of(collector.collect(binding=bind64(runtime.raw)))
    return ReleaseRequest(
        bundle=runner.room.bundle,
        runtime_data=runtime.raw,
        evidence=encode_evidence(evidence),
    )


def main() -> None:
    """Serve until SIGTERM; one line says that requests are answered."""
    directory, address = Path(sys.argv[1]), sys.argv[2]
    bench = BrokerBench(path=directory, room=busy_room(0))
    bench.install_keys()
    pins = _pins(directory / "pins", bench)
    settings = FrontSettings(
        home=str(bench.home("hospital")),
        pins=str(directory / "pins"),
        published=address,
        local="",
        listen=address.removeprefix("http://"),
        certificate="",
        certificate_key="",
        metrics="",
        verbosity=Verbosity.TROUBLE.value,
    )
    with _broker(bench, pins) as broker:
        serve_behind_front(
            BrokerAnswers(broker),
            settings,
            started=lambda: _say(address),
            program=(sys.executable, "-m", "bench.front_of_broker"),
        )


def _say(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()


def _pins(directory: Path, bench: BrokerBench) -> WatchedPins:
    """Pin the parties on disk, where the product's broker reads them for each request."""
    for party in bench.room.parties.values():
        pin(directory, party.document, confirmed=party.document.digest)
    return WatchedPins(directory)


def _broker(bench: BrokerBench, pins: WatchedPins) -> KeyBroker:
    owner = broker_owner(bench.room.parties["hospital"], bench.room.pins)
    return KeyBroker.open(
        bench.home("hospital"),
        owner=replace(owner, pins=pins),
        clock=bench.clock,
        entropy=CountedEntropy(label="hospital"),
    )


if __name__ == "__main__":
    main()
