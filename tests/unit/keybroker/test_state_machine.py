# SPDX-License-Identifier: Apache-2.0
"""Whatever is asked in whatever order: no use is lost, none comes back.

The machine asks one broker for challenges, releases and commits of several runs
by several runners, repeats and mixes them, lets time pass, and restarts the
broker at any point. Beside it stands a model of a few lines.
"""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.contract.state_chain import derive_head, genesis_head, next_head
from cleanroom.contract.statements import StateStep
from cleanroom.errors import IntegrityError, KeyRefusedError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.brokers import (
    BrokerBench,
    ScriptedRunner,
    read_release,
    require_logged,
)
from tests.support.room_documents import build_room

MAX_RUNS = 3
RUNS = ("machine-run-0001", "machine-run-0002")
LABELS = ("a", "b", "c")
MINE = "hospital.patients"
TOUCHED = (MINE, "insurer.members")
TIME = {"broker.nonce-expired", "broker.nonce-foreign", "attestation.age", "broker.release-expired"}


def _room(run):
    return build_room(
        contract={"max_runs": MAX_RUNS},
        query={"datasets": {MINE: ("sex",), "insurer.members": ("plan",)}},
        run={"run": run},
    )


ROOMS = {run: _room(run) for run in RUNS}


class OneBroker(RuleBasedStateMachine):
    """One broker, asked by everybody at once."""

    nonces = Bundle("nonces")
    requests = Bundle("requests")
    commits = Bundle("commits")

    def __init__(self):
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.bench = BrokerBench(path=self.path, room=ROOMS[RUNS[0]])
        self.bench.install_keys()
        self.bench.open("hospital")
        self.released = {}
        self.used_nonces = set()
        self.committed = {}
        self.history = []

    def teardown(self):
        self.bench.close()
        shutil.rmtree(self.path)

    @property
    def broker(self):
        return self.bench.brokers["hospital"]

    @initialize(target=requests)
    def begin(self):
        return self.ask_properly(RUNS[0], LABELS[0])

    @rule(target=nonces, run=st.sampled_from(RUNS))
    def challenge(self, run):
        runner = ScriptedRunner(room=ROOMS[run])
        return run, runner.nonces(self.bench.brokers)

    @rule(target=requests, asked=nonces, run=st.sampled_from(RUNS), label=st.sampled_from(LABELS))
    def attest(self, asked, run, label):
        """Bind a nonce into runtime data, perhaps of another run than it was given for."""
        runner = ScriptedRunner(room=ROOMS[run], label=label)
        runtime = runner.runtime(asked[1])
        return runner, runner.request(runtime, issued_at=self.bench.clock()), asked[0]

    @rule(target=requests, run=st.sampled_from(RUNS), label=st.sampled_from(LABELS))
    def ask_properly(self, run, label):
        """Do everything right, up to the answer."""
        asked = self.attest(self.challenge(run), run, label)
        self.release(asked)
        return asked

    @rule(asked=requests)
    def release(self, asked):
        runner, request, nonce_run = asked
        run = runner.room.run_terms.run
        key = (run, Digest.of(request.runtime_data))
        nonce = _nonce(request)
        known = key in self.released
        allowed = known or (
            len(self.released) < MAX_RUNS
            and nonce not in self.used_nonces
            and nonce_run == run
            and run not in self.committed
        )
        try:
            logged = self.broker.release(request)
        except RefusedError as error:
            assert not allowed or error.code in TIME
            return
        assert allowed
        if known:
            assert logged.statement == self.released[key].statement
            return
        said = read_release(runner.room, "hospital", logged)
        assert said.uses.used == len(self.released) + 1
        assert said.datasets[0].head == derive_head(MINE, self.history)
        require_logged(runner.room, "hospital", logged)
        self.released[key] = logged
        self.used_nonces.add(nonce)

    @rule(target=commits, asked=requests, data=st.binary(min_size=1, max_size=2))
    def prepare(self, asked, data):
        runner, request, _ = asked
        key = (runner.room.run_terms.run, Digest.of(request.runtime_data))
        releases = {"hospital": self.released[key]} if key in self.released else {}
        heads = {MINE: derive_head(MINE, self.history)}
        steps = tuple(_moved(lineage, heads.get(lineage), data) for lineage in TOUCHED)
        return (
            key,
            runner.commit(request, releases, steps=steps, entry=data),
            data,
            tuple(self.history),
        )

    @rule(prepared=commits)
    def commit(self, prepared):
        key, request, data, history = prepared
        receipt = Digest.of(request.receipt.payload)
        repeated = self.committed.get(key[0], (None,))[0] == (key, receipt)
        try:
            logged = self.broker.commit(request)
        except KeyRefusedError:
            assert not repeated
            return
        except IntegrityError as error:
            # It was prepared before its release, so the receipt does not hold one.
            assert error.code == "broker.receipt-release"
            return
        if repeated:
            assert logged.statement == self.committed[key[0]][1].statement
            return
        assert key in self.released
        assert key[0] not in self.committed
        assert list(history) == self.history
        self.committed[key[0]] = ((key, receipt), logged)
        self.history.append(Digest.of(data))

    @rule(asked=requests, data=st.binary(min_size=1, max_size=2))
    def finish_properly(self, asked, data):
        """Prepare on the newest history and commit at once."""
        self.commit(self.prepare(asked, data))

    @rule(seconds=st.integers(min_value=0, max_value=90))
    def wait(self, seconds):
        self.bench.clock.advance(seconds=seconds)

    @rule()
    def restart(self):
        self.broker.close()
        self.bench.open("hospital")

    @invariant()
    def the_log_holds_every_statement_once(self):
        assert self.broker.status().log_size == len(self.released) + len(self.committed)

    @invariant()
    def no_use_is_beyond_the_contract(self):
        assert len(self.released) <= MAX_RUNS

    @invariant()
    def the_head_is_that_of_everything_committed(self):
        expected = {MINE: derive_head(MINE, self.history)} if self.history else {}
        assert self.broker.status().heads == expected


def _moved(lineage, head, data):
    head = genesis_head(lineage) if head is None else head
    return StateStep(lineage=lineage, previous=head, next=next_head(head, Digest.of(data)))


def _nonce(request):
    return parse_runtime_data(request.runtime_data).nonces["hospital"]


OneBroker.TestCase.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
test_a_broker_never_forgets_and_never_counts_twice = OneBroker.TestCase
