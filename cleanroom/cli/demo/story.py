# SPDX-License-Identifier: Apache-2.0
"""The straight line, chapter by chapter, through the functions that production uses.

    agree -> seal -> sign -> attest -> release keys -> run -> gate -> receipt -> verify

Each chapter is one thing that the parties do. No chapter knows a shortcut: it calls
:mod:`cleanroom.room`, and what it gets back is what a real party would get.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cleanroom import room as line
from cleanroom.cli import drafting
from cleanroom.cli.demo import data
from cleanroom.cli.demo.homes import Actor, Home
from cleanroom.cli.demo.scene import DATASETS, PERSON_KEY_RULE, Cast, Scene
from cleanroom.cli.proposing import approve_own, propose
from cleanroom.cli.results import render_result
from cleanroom.contract.approval import Decision
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.query import Parameter, Query
from cleanroom.contract.types import ParameterType
from cleanroom.disclosure.result import ResultTable
from cleanroom.identity.new_profile import NewSigningKey
from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import unlock
from cleanroom.kernel.clock import system_clock
from cleanroom.receipt.verify import VerifiedReceipt
from cleanroom.runner.proposal import explain_proposal
from cleanroom.runner.sandbox.host import examine_host

QUERY = "stays"
SINCE = Parameter(name="since", type=ParameterType.STRING, values=("2025-01", "2025-07"))
CHOSEN = "2025-07"

STAGES: Mapping[str, str] = {
    "agree": "runner: reads contract, query and approvals, and verifies every signature",
    "admit": "runner: admits the query once more, before it asks for any key",
    "attest": "runner: makes keys for this run only and shows evidence of what it is",
    "release keys": "brokers: each owner's broker decides for itself and seals its keys to the run",
    "run": "runner: joins the sealed tables in a child process and puts the answer to the gate",
    "commit": "brokers: both countersign what will leave, or nothing leaves",
    "receipt": "runner: writes the sealed result and the receipt",
    "verify": "insurer: verifies the receipt before believing it",
}


def make_keys(scene: Scene) -> Cast:
    """Create both parties and let each pin the other."""
    scene.narrator.chapter(
        "Keys",
        "Each organisation makes its own keys at home and publishes only their public halves. "
        "A person compares fingerprints by telephone, because a document proves nothing about "
        "whose keys it holds.",
    )
    with scene.narrator.working("making keys"):
        hospital, insurer = (_create(home, scene.room) for home in scene.homes)
    for actor, other in ((hospital, insurer), (insurer, hospital)):
        document = scene.room / "parties" / f"{other.home.name}.toml"
        fingerprint = other.profile.party.digest
        line.trust_party(actor.profile, document, confirmed=fingerprint)
        scene.narrator.fact(f"{actor.home.name} trusts {other.home.name} {fingerprint}")
    return Cast(hospital=hospital, insurer=insurer)


def _create(home: Home, room: Path) -> Actor:
    passphrase = home.make_passphrase()
    profile = line.create_party(
        home.config,
        name=home.name,
        title=home.title,
        passphrase=passphrase,
        broker_address=home.broker_address,
        signing=NewSigningKey(passphrase=passphrase),
    )
    line.publish_party(profile, room)
    return Actor(home=home, profile=profile, unlocked=unlock(profile, passphrase, passphrase))


def seal_data(scene: Scene, cast: Cast, *, seed: int) -> None:
    """Invent the tables and seal each under its owner's output policy."""
    scene.narrator.chapter(
        "Sealing",
        "Each owner encrypts its tables at home and signs an output policy for each. The data "
        "key stays with the owner's broker. E-mail addresses are normalised and hashed, so that "
        "the keys of both tables meet although people typed them differently.",
    )
    with scene.narrator.working("inventing people"):
        tables = data.generate(seed=seed)
        paths = tables.write(scene.data)
    for actor in cast.both:
        for name in DATASETS[actor.home.name]:
            lineage = f"{actor.home.name}.{name}"
            with scene.narrator.working(f"sealing {lineage}"):
                _seal(scene, actor, lineage, paths[lineage])
            rows = tables.tables[lineage].num_rows
            scene.narrator.fact(f"{lineage}: {rows:,} invented rows sealed")


def _seal(scene: Scene, actor: Actor, lineage: str, source: Path) -> None:
    keyed = lineage in ("hospital.patients", "insurer.members")
    line.seal(
        actor.profile,
        actor.unlocked,
        source=source,
        policy=scene.documents / f"{lineage}.toml",
        room=scene.room,
        normalisation=PERSON_KEY_RULE if keyed else {},
        progress=lambda _done, _total: None,
    )


def sign_contract(scene: Scene, cast: Cast) -> None:
    """Draft one contract, which both sign as exact bytes."""
    scene.narrator.chapter(
        "Contract",
        "One text says who may compute what on whose data, until when, and on which runner. "
        "Both sign the same bytes; ssh-keygen can verify them without this software.",
    )
    draft = drafting.write_draft(
        scene.room,
        drafting.DraftOptions(
            name="stays-2026",
            purpose="Find out what the insurer's members cost in the hospital",
            purpose_code="health-research",
            platforms=(scene.platform,),
            receivers=("insurer",),
            submitters=("insurer",),
            # Asked for wherever the kernel has it; the receipt says what there was.
            sandbox=min(SandboxLevel.SELF, examine_host().best.level, key=list(SandboxLevel).index),
        ),
        at=system_clock(),
    )
    for actor in cast.both:
        contract = line.sign_contract(
            actor.profile, actor.unlocked.signer, scene.room, digest=draft.digest
        )
        scene.narrator.fact(f"{actor.home.name} signed {contract.digest}")
    pins = load_pins(cast.insurer.profile.pins_directory)
    line.verify_contract(scene.room, pins)


def tell_brokers(scene: Scene, pids: list[int]) -> None:
    """Say that the brokers run, each on its own."""
    scene.narrator.chapter(
        "Brokers",
        "Each owner runs a key broker of its own. It alone holds the owner's data keys, counts "
        "uses, and can stop everything.",
    )
    for home, pid in zip(scene.homes, pids, strict=True):
        scene.narrator.fact(f"{home.name}: process {pid}, {home.broker_address}")


def agree_query(
    scene: Scene, cast: Cast, file: str, *, parameters: Mapping[str, Parameter]
) -> Query:
    """Let the insurer submit a query and the hospital approve it."""
    proposal = propose(scene.documents / file, parameters=parameters, receivers=("insurer",))
    insurer, hospital = cast.insurer, cast.hospital
    query = line.submit_query(
        insurer.profile, insurer.unlocked.signer, room=scene.room, proposal=proposal
    )
    approve_own(insurer.profile, insurer.unlocked.signer, scene.room, query)
    line.approve_query(
        hospital.profile,
        hospital.unlocked.signer,
        room=scene.room,
        query=query.name,
        digest=query.digest,
        decision=Decision.APPROVE,
        reason="groups only, within our policy",
    )
    return query


def submit_and_approve(scene: Scene, cast: Cast) -> None:
    """Explain, submit and approve the query of the story."""
    scene.narrator.chapter(
        "Query",
        "The insurer submits SQL. Admission checks it against every policy before any key is "
        "asked for; the hospital reads it and approves exactly these bytes.",
    )
    file = scene.documents / f"{QUERY}.sql"
    scene.narrator.fact(file.read_text().strip())
    with scene.narrator.working("admission"):
        agreement = line.verify_contract(scene.room, load_pins(cast.insurer.profile.pins_directory))
        proposal = propose(file, parameters={"since": SINCE}, receivers=("insurer",))
        explanation = explain_proposal(agreement, proposal)
    scene.narrator.fact(f"\nExplained to both:\n{explanation.text.strip()}\n")
    query = agree_query(scene, cast, file.name, parameters={"since": SINCE})
    scene.narrator.fact(f"approved by hospital and insurer: {query.digest}")


def run(scene: Scene, cast: Cast) -> VerifiedReceipt:
    """Sign a run request and start the runner."""
    scene.narrator.chapter(
        "Run",
        "The insurer signs a request to run it. A runner that holds nobody's keys attests "
        "itself, gets keys for this run only, joins, and lets the gate decide what may leave.",
    )
    insurer = cast.insurer
    with scene.narrator.working("running"):
        return line.run_query(
            insurer.profile,
            insurer.unlocked.signer,
            room=scene.room,
            query=QUERY,
            parameters={"since": CHOSEN},
            receivers=("insurer",),
            progress=lambda stage: scene.narrator.fact(STAGES.get(stage, stage)),
        )


def open_result(scene: Scene, cast: Cast, verified: VerifiedReceipt) -> ResultTable:
    """Open the sealed result as its receiver, and show what was withheld."""
    scene.narrator.chapter(
        "Result",
        "Sealed to the insurer alone. The smallest wards are missing, and so is one group that a "
        "single member dominates: the policies say so, and the totals are given in bands only.",
    )
    insurer = cast.insurer
    table = line.open_result(insurer.profile, insurer.unlocked, verified, room=scene.room)
    scene.narrator.fact(render_result(scene.narrator.session, table))
    return table


def verify(scene: Scene, cast: Cast, verified: VerifiedReceipt) -> None:
    """Verify the receipt as anybody can, offline."""
    scene.narrator.chapter(
        "Verification",
        "Anyone with the room and the pins can verify the receipt offline, years later.",
    )
    receipt = scene.room / "runs" / verified.body.run / "receipt.json"
    pins = load_pins(cast.hospital.profile.pins_directory)
    again = line.verify(receipt, trust=pins)
    for step in again.lines:
        scene.narrator.fact(f"ok  {step.step}: {step.found}")
    if again.body.banner:
        scene.narrator.loud(again.body.banner)
