# SPDX-License-Identifier: Apache-2.0
"""The story over a network: a hub, two brokers and a runner, each a process with a home.

What is simulated: the network is this machine's loopback, the certificate authority is
made for the day, and the platform is the one that the banner names. Parties act in
this process, each through its own home and its own mirror of the room; all that
passes between them goes through the hub.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack

from cleanroom import asking
from cleanroom import room as line
from cleanroom.cli import drafting
from cleanroom.cli.demo import data
from cleanroom.cli.demo.homes import Actor, Home, Service, prepare_directory, start_all
from cleanroom.cli.demo.play import Ending
from cleanroom.cli.demo.scene import DATASETS, PERSON_KEY_RULE, Scene
from cleanroom.cli.demo.story import CHOSEN, QUERY, SINCE
from cleanroom.cli.demo.throwaway_tls import HOST, throwaway_authority
from cleanroom.cli.new_party import default_address
from cleanroom.cli.proposing import approve_own, propose
from cleanroom.cli.queued_runs import asking_jobs, follow
from cleanroom.cli.results import render_result
from cleanroom.contract import places
from cleanroom.contract.approval import Decision
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import parse_query
from cleanroom.disclosure.result import ResultTable
from cleanroom.errors import RefusedError
from cleanroom.hub.hub import admit_party
from cleanroom.identity.authorities import AUTHORITIES_FILE
from cleanroom.identity.new_profile import NewSigningKey
from cleanroom.identity.pins import Replace, load_pins
from cleanroom.identity.profile import unlock
from cleanroom.kernel.clock import system_clock
from cleanroom.kernel.files import write_atomic
from cleanroom.kernel.record import dataclass
from cleanroom.mirror.login import log_in
from cleanroom.mirror.mirror import Mirror, mirror_of
from cleanroom.receipt.verify import VerifiedReceipt
from cleanroom.runner.sandbox.host import examine_host

ROOM = "stays"
OWNERS = ("hospital", "insurer")
RUNNER_GRACE_SECONDS = 5
MAX_SOCKET_PATH = 107


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A party that acts through its own mirror of the room.

    Attributes:
        actor: Its home and keys.
        mirror: Its mirror.
    """

    actor: Actor
    mirror: Mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the distributed story plays.

    Attributes:
        scene: Directory and narrator.
        homes: By party; the operator's holds the hub as well.
        addresses: Of the hub and of both brokers.
    """

    scene: Scene
    homes: Mapping[str, Home]
    addresses: Mapping[str, str]

    @property
    def url(self) -> str:
        """The room's address."""
        return f"{self.addresses['operator']}/{ROOM}"


def play_distributed(scene: Scene, *, seed: int) -> Ending:
    """Play the story from keys to a receipt verified on a clone; no process is left behind.

    Raises:
        CleanroomError: Whatever stopped the line, as it would stop a real one.
    """
    scene.require_platform()
    _require_short(scene)
    prepare_directory(scene.directory)
    scene.write_documents()
    with ExitStack() as stack:
        stage = _stage(scene)
        actors = _make_keys(stage)
        _serve(stage, actors, stack)
        players = _enter(stage, actors)
        _seal(stage, players, seed=seed)
        _sign(stage, players)
        _approve(stage, players)
        _serve_runner(stage, stack)
        verified, table = _run(stage, players["insurer"])
        receipt = _verify_on_a_clone(stage, players["hospital"], verified)
    left = {
        "the hub": stage.homes["operator"].directory / "hub",
        "a clone of the room": scene.directory / "clone",
        **{f"{name}'s home": home.directory for name, home in stage.homes.items()},
    }
    config = stage.homes["hospital"].directory
    again = f"XDG_CONFIG_HOME={config} cleanroom verify {receipt}"
    return Ending(result=table, left=left, again=again)


def _require_short(scene: Scene) -> None:
    # A broker on the network also listens on a socket of its owner's, and unix(7) allows
    # paths of 107 bytes.
    for home in scene.homes:
        path = home.config / home.name / "broker" / "broker.sock"
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            raise RefusedError(
                "directory: its path is too long for the sockets below it",
                code="demo.directory",
                hint="choose a shorter one: cleanroom demo --distributed --directory /tmp/demo",
            )


def _stage(scene: Scene) -> Stage:
    homes = {home.name: home for home in scene.homes}
    homes["operator"] = Home(
        name="operator", title="Data Centre", directory=scene.directory / "operator"
    )
    with ExitStack() as stack:
        # All at once, so that no two are the same.
        found = [stack.enter_context(socket.create_server((HOST, 0))) for _ in homes]
        ports = [each.getsockname()[1] for each in found]
    addresses = {name: f"https://{HOST}:{port}" for name, port in zip(homes, ports, strict=True)}
    return Stage(scene=scene, homes=homes, addresses=addresses)


def _make_keys(stage: Stage) -> dict[str, Actor]:
    narrator, documents = stage.scene.narrator, stage.scene.documents
    narrator.chapter(
        "Keys",
        "Three parties, each with a home of its own: two owners, and an operator with a hub and "
        "a runner and no data. Documents travel by any way; fingerprints are compared.",
    )
    authority = throwaway_authority(at=system_clock())
    actors = {}
    with narrator.working("making keys"):
        for name, home in stage.homes.items():
            write_atomic(home.config / AUTHORITIES_FILE, authority.pem)
            home.config.chmod(0o700)
            authority.certify(home.directory)
            actors[name] = _create(stage, home)
    for name, actor in actors.items():
        for other in actors.values():
            if other is not actor:
                line.trust_party(
                    actor.profile,
                    documents / places.party_file(other.home.name),
                    confirmed=other.profile.party.digest,
                )
        narrator.fact(f"{name} {actor.profile.party.digest}, trusted by the others")
    narrator.fact("a throw-away certificate authority vouches for this machine, for a day")
    return actors


def _create(stage: Stage, home: Home) -> Actor:
    passphrase = home.make_passphrase()
    own = stage.addresses[home.name]
    profile = line.create_party(
        home.config,
        name=home.name,
        title=home.title,
        passphrase=passphrase,
        broker_address=own if home.name in OWNERS else default_address(home.config / home.name),
        signing=NewSigningKey(passphrase=passphrase),
    )
    line.publish_party(profile, stage.scene.documents)
    return Actor(home=home, profile=profile, unlocked=unlock(profile, passphrase, passphrase))


def _serve(stage: Stage, actors: Mapping[str, Actor], stack: ExitStack) -> None:
    narrator, operator = stage.scene.narrator, stage.homes["operator"]
    narrator.chapter(
        "Hub and brokers",
        "Each is a process of its own, reached over TLS. The hub keeps sealed parts and signed "
        "documents and can withhold them; brokers keep keys and count.",
    )
    directory = operator.directory / "hub"
    for actor in actors.values():
        admit_party(directory, ROOM, actor.profile.party, replace=Replace.NO)
    services = [
        Service(
            home=operator,
            arguments=("hub", "serve", "--directory", str(directory), *_listen(stage, "operator")),
            log=operator.directory / "hub.log",
        ),
        *(
            Service(
                home=stage.homes[name],
                arguments=(*stage.homes[name].broker_arguments, *_listen(stage, name)),
                log=stage.homes[name].broker_log,
            )
            for name in OWNERS
        ),
    ]
    with narrator.working("starting servers"):
        pids = start_all(services, stack)
    for what, service, pid in zip(("hub", "broker", "broker"), services, pids, strict=True):
        name = service.home.name
        narrator.fact(f"{what} of {name}: process {pid}, {stage.addresses[name]}")


def _enter(stage: Stage, actors: Mapping[str, Actor]) -> dict[str, Player]:
    players = {}
    for name, actor in actors.items():
        log_in(actor.profile, actor.unlocked.signer, at=system_clock())
        mirror = mirror_of(stage.url, actor.profile)
        mirror.clone(stage.url, data=False)
        players[name] = Player(actor=actor, mirror=mirror)
    for player in players.values():
        player.mirror.pull(data=False)
    return players


def _seal(stage: Stage, players: Mapping[str, Player], *, seed: int) -> None:
    narrator = stage.scene.narrator
    narrator.chapter(
        "Sealing", "Each owner seals its tables at home and pushes the sealed parts to the hub."
    )
    with narrator.working("inventing people"):
        paths = data.generate(seed=seed).write(stage.scene.data)
    for name in OWNERS:
        player = players[name]
        for short in DATASETS[name]:
            lineage = f"{name}.{short}"
            keyed = lineage in ("hospital.patients", "insurer.members")
            with narrator.working(f"sealing {lineage}"):
                line.seal(
                    player.actor.profile,
                    player.actor.unlocked,
                    source=paths[lineage],
                    policy=stage.scene.documents / f"{lineage}.toml",
                    room=player.mirror.path,
                    normalisation=PERSON_KEY_RULE if keyed else {},
                    progress=lambda _done, _total: None,
                )
        pushed = player.mirror.push()
        narrator.fact(f"{name}: {len(pushed)} files pushed")


def _sign(stage: Stage, players: Mapping[str, Player]) -> None:
    narrator, insurer = stage.scene.narrator, players["insurer"]
    narrator.chapter(
        "Contract",
        "All three sign the same bytes. It names the operator whose runner may take jobs; keys "
        "still go to the attested process of one run alone.",
    )
    insurer.mirror.pull(data=False)
    draft = drafting.write_draft(
        insurer.mirror.path,
        drafting.DraftOptions(
            template=drafting.MULTI_PARTY,
            name="stays-2026",
            purpose="Find out what the insurer's members cost in the hospital",
            purpose_code="health-research",
            platforms=(stage.scene.platform,),
            receivers=("insurer",),
            submitters=("insurer",),
            sandbox=min(SandboxLevel.SELF, examine_host().best.level, key=list(SandboxLevel).index),
            operators=("operator",),
        ),
        at=system_clock(),
    )
    for name in ("insurer", "hospital", "operator"):
        player = players[name]
        player.mirror.pull(data=False)
        line.sign_contract(
            player.actor.profile,
            player.actor.unlocked.signer,
            player.mirror.path,
            digest=draft.digest,
        )
        player.mirror.push()
        narrator.fact(f"{name} signed {draft.digest}")


def _approve(stage: Stage, players: Mapping[str, Player]) -> None:
    narrator, insurer, hospital = stage.scene.narrator, players["insurer"], players["hospital"]
    narrator.chapter("Query", "The insurer submits SQL to the hub; the hospital approves it there.")
    insurer.mirror.pull(data=False)
    proposal = propose(
        stage.scene.documents / f"{QUERY}.sql", parameters={"since": SINCE}, receivers=("insurer",)
    )
    signer, room = insurer.actor.unlocked.signer, insurer.mirror.path
    with narrator.working("admission"):
        query = line.submit_query(insurer.actor.profile, signer, room=room, proposal=proposal)
    approve_own(insurer.actor.profile, signer, room, query)
    insurer.mirror.push()
    hospital.mirror.pull(data=False)
    seen = parse_query(RoomDirectory(path=hospital.mirror.path).load(places.query_file(QUERY)).data)
    line.approve_query(
        hospital.actor.profile,
        hospital.actor.unlocked.signer,
        room=hospital.mirror.path,
        query=QUERY,
        digest=seen.digest,
        decision=Decision.APPROVE,
        reason="groups only, within our policy",
    )
    hospital.mirror.push()
    insurer.mirror.pull(data=False)
    narrator.fact(f"approved by hospital and insurer: {query.digest}")


def _serve_runner(stage: Stage, stack: ExitStack) -> None:
    narrator, operator = stage.scene.narrator, stage.homes["operator"]
    narrator.chapter(
        "Runner",
        "The operator's runner asks the hub for work. It holds no party's key: a request key, "
        "signed for by the operator, asks; each run makes its own keys.",
    )
    grace = str(RUNNER_GRACE_SECONDS)
    service = Service(
        home=operator,
        arguments=("runner", "serve", "--room", stage.url, "--grace", grace),
        log=operator.directory / "runner.log",
    )
    (pid,) = start_all([service], stack)
    narrator.fact(f"runner of operator: process {pid}, serves {stage.url}")


def _run(stage: Stage, insurer: Player) -> tuple[VerifiedReceipt, ResultTable]:
    narrator, profile = stage.scene.narrator, insurer.actor.profile
    narrator.chapter(
        "Run",
        "The insurer signs a request and queues it in the hub. The runner takes it, attests, "
        "gets keys from both brokers, and delivers what both countersigned.",
    )
    request = asking.request_run(
        profile,
        insurer.actor.unlocked.signer,
        room=insurer.mirror.path,
        query=QUERY,
        parameters={"since": CHOSEN},
        receivers=("insurer",),
    )
    insurer.mirror.push()
    with narrator.working("running"), asking_jobs(stage.url, profile) as jobs:
        follow(narrator.fact, jobs, jobs.put(request.run))
    insurer.mirror.pull(data=False)
    verified = asking.verify_run(profile, request, room=insurer.mirror.path)
    table = line.open_result(profile, insurer.actor.unlocked, verified, room=insurer.mirror.path)
    narrator.fact(render_result(narrator.session, table))
    return verified, table


def _verify_on_a_clone(stage: Stage, hospital: Player, verified: VerifiedReceipt) -> str:
    narrator, run = stage.scene.narrator, verified.body.run
    narrator.chapter(
        "Verification",
        "The hospital clones the room from the hub, as anybody in it can, and verifies the receipt "
        "offline. It holds the sealed result as well, which only the insurer can open.",
    )
    clone = Mirror(path=stage.scene.directory / "clone", profile=hospital.actor.profile)
    clone.clone(stage.url, data=False)
    receipt = clone.path / places.receipt_file(run)
    pins = load_pins(hospital.actor.profile.pins_directory)
    again = line.verify(receipt, trust=pins)
    verified.digest.require(again.digest, what="the clone's receipt")
    for step in again.lines:
        narrator.fact(f"ok  {step.step}: {step.found}")
    return str(receipt)


def _listen(stage: Stage, name: str) -> tuple[str, ...]:
    home = stage.homes[name].directory
    return (
        *("--listen", stage.addresses[name].removeprefix("https://")),
        *("--certificate", str(home / "host.pem")),
        *("--certificate-key", str(home / "host.key")),
    )
