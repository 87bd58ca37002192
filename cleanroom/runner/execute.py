# SPDX-License-Identifier: Apache-2.0
"""One run inside the enclave, in the one order that is safe.

Every stage takes the proof of the stage before it. Nothing of the result leaves
this process before every owner's broker has countersigned what it will say.
"""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cleanroom.admission.syntax.parser import load_parser
from cleanroom.contract.agreement import ContractDigest, agree
from cleanroom.contract.approved_run import ApprovedRun, approve_run
from cleanroom.contract.bundle import RunBundle
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.run_request import parse_run_request
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.wire_model import build_models
from cleanroom.receipt.model import Receipt
from cleanroom.runner.attest import attest, measure_this_runner, this_machine
from cleanroom.runner.brokers import Broker, connect
from cleanroom.runner.commit import Work, commit
from cleanroom.runner.compute import ReadyChild, ready_child
from cleanroom.runner.gate import answer
from cleanroom.runner.grants import KeyRequest, obtain_keys
from cleanroom.runner.history import open_history
from cleanroom.runner.inputs import open_inputs
from cleanroom.runner.keys import new_run_keys
from cleanroom.runner.patience import PatientBroker
from cleanroom.runner.proposal import admit_run
from cleanroom.runner.reach import Reach
from cleanroom.runner.sandbox.host import Host, examine_host
from cleanroom.runner.space import require_space
from cleanroom.runner.stages import load_gate
from cleanroom.runner.tasks import prepared_task
from cleanroom.second_reading.agree import load_readers

# For what is large and need not survive a restart (FHS 3.0, 5.15).
SCRATCH = Path("/var/tmp")  # noqa: S108 - a file without a name in it, and sealed

Connect = Callable[[ApprovedRun], Mapping[str, Broker]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """What a runner is given: a room, a clock, somebody to tell, and brokers to ask.

    Attributes:
        room: Where documents, sealed parts and results lie; trusted with nothing.
        clock: Read once a stage.
        report: Told the name of each stage that begins.
        connect: Gives a connection to every owner's broker.
        ready: A query child that waits already, if there is one.
        examine: Tells how this host can confine the query.
        scratch: The one directory where a query may put sealed intermediate rows aside.
    """

    room: RoomDirectory
    clock: Clock
    report: Callable[[str], None]
    connect: Connect
    ready: ReadyChild | None = None
    examine: Callable[[], Host] = examine_host
    scratch: Path = SCRATCH


@contextmanager
def prepared() -> Iterator[ReadyChild]:
    """Load what every run needs before there is one, while somebody opens keys elsewhere.

    Gives a query child, which loads beside this process and ends with the block.
    """
    with ready_child(examine_host().best) as ready:
        load_parser()
        load_readers()
        measure_this_runner()
        yield ready


@contextmanager
def prepared_to_wait() -> Iterator[ReadyChild]:
    """Load and build also what a run would do while it waits for others, or not need at all."""
    with prepared() as ready:
        load_gate()
        build_models()
        importlib.import_module("cleanroom.runner.network_carrier").load_network_client()
        yield ready


def prepare_more(*, until: Callable[[], bool]) -> None:
    """Load and build in small steps what comes later in a run, until there is something to do."""
    if until():
        return
    load_gate()
    build_models(until=until)


def execute(run: str, *, runner: Runner) -> Receipt:
    """Execute one run from its signed request to its countersigned receipt.

    Raises:
        RefusedError: A contract, a broker or the gate says no.
        IntegrityError: A document, a part or a statement is not what was signed.
        QueryFailedError: The engine did not complete.
        UnavailableError: A broker or the room cannot be reached.
    """
    # 1. Agree: the runner trusts nobody's pins. It proves to the brokers which
    # contract it obeys, and they know whether that is theirs.
    runner.report("agree")
    bundle = runner.room.load_run_bundle(run)
    approved = approve(bundle, at=runner.clock())
    # The best that this host offers, which must be at least what was agreed.
    confinement = runner.examine().confinement(approved.agreement.contract.sandbox)
    # 2. Admit before any key is asked for: a refusal here is free and tells nothing.
    runner.report("admit")
    admitted = admit_run(approved)
    resources = approved.resources
    datasets = [approved.agreement.datasets[lineage] for lineage, _ in admitted.columns]
    with (
        open_inputs(
            datasets, room=runner.room, scratch=runner.scratch, memory_mib=resources.memory_mib
        ) as inputs,
        # The child of an SQL query gets its files and limits here, and no secret yet.
        prepared_task(
            admitted,
            approved=approved,
            inputs=inputs,
            confinement=confinement,
            ready=runner.ready,
        ) as task,
    ):
        # 3. Attest: fresh keys, one nonce of every owner's broker.
        runner.report("attest")
        keys = new_run_keys()
        brokers = runner.connect(approved)
        attested = attest(
            approved, keys=keys, brokers=brokers, machine=this_machine, at=runner.clock()
        )
        # 4. Release keys: every owner's broker decides for itself. What could not be written
        # down at the end must not cost a use.
        require_space(runner.room.path / "runs" / run, run=run)
        runner.report("release keys")
        request = KeyRequest(bundle=bundle, approved=approved, attested=attested)
        grants = obtain_keys(request, keys=keys, brokers=brokers, at=runner.clock())
        # 5. Run and gate, against everything ever released from these lineages.
        runner.report("run")
        history = open_history(grants, brokers=brokers)
        outcome = answer(task(grants), approved=approved, history=history)
    # 6. Commit: all owners countersign, or nothing leaves.
    runner.report("commit")
    work = Work(
        approved=approved,
        attested=attested,
        keys=keys,
        grants=grants,
        history=history,
        outcome=outcome,
        confinement=confinement,
    )
    sealed, receipt = commit(work, brokers=brokers)
    # 7. Only now does anything leave this process: the result, then the receipt that
    # tells everybody it is there.
    runner.report("receipt")
    runner.room.publish(f"runs/{run}/result.sealed", sealed, {})
    runner.room.publish(f"runs/{run}/receipt.json", receipt.data, {})
    return receipt


def approve(bundle: RunBundle, *, at: dt.datetime) -> ApprovedRun:
    """Check that the room's documents are the ones that the run request names.

    Raises:
        RefusedError: Not agreed, or not approved.
    """
    contract = parse_run_request(bundle.run.data).contract
    agreement = agree(bundle.agreement, trust=ContractDigest(digest=contract))
    return approve_run(agreement, bundle, at=at)


def connect_all(approved: ApprovedRun, *, reach: Reach, stack: ExitStack) -> Mapping[str, Broker]:
    """Connect to the brokers at the addresses that the party documents give."""
    agreement = approved.agreement
    brokers = connect(agreement.contract, agreement.parties, reach=reach, stack=stack)
    if not reach.patience:
        return brokers
    return {
        owner: PatientBroker(broker=broker, patience=reach.patience)
        for owner, broker in brokers.items()
    }
