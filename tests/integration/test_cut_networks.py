# SPDX-License-Identifier: Apache-2.0
"""Runs whose connection to a broker is cut: nothing is counted twice, nothing leaves too early."""

import datetime as dt
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cleanroom.contract import places
from cleanroom.errors import UnavailableError
from cleanroom.runner.broker_client import BrokerClient
from cleanroom.runner.patience import PatientBroker
from tests.support.cut_network import Cut, cut_network
from tests.support.room_simulator import RoomSimulator
from tests.support.served_brokers import served, unix_address

JOINED = (
    b"SELECT s.ward, count(*) AS stays FROM hospital.stays AS s "
    b"JOIN insurer.members AS m ON s.email = m.email GROUP BY s.ward"
)
# How long a broker may be silent. An honest answer that takes longer is asked for again.
QUIET = dt.timedelta(seconds=2)
LONG = dt.timedelta(minutes=5)
ASKED = ("challenge", "release", "commit")
FOR_EVER = 1000


class World:
    """A room whose insurer's broker is behind a network."""

    def __init__(self, directory):
        self.simulator = RoomSimulator(directory)
        self.simulator.agree(receivers=("insurer",))
        self.query = self.simulator.approved(JOINED)
        self.honest = dict(self.simulator.brokers)
        self.runs = 0

    @contextmanager
    def behind(self, path, cut, *, times=1, patience=LONG):
        """Let the insurer's broker be reached through a network that cuts."""
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cr-")))
            address = unix_address(directory)
            stack.enter_context(served(self.honest["insurer"], address=address))
            at, network = stack.enter_context(
                cut_network(directory, address, path=f"/v0/{path}", cut=cut, times=times)
            )
            client = stack.enter_context(BrokerClient(at, timeout=QUIET))
            self.simulator.brokers["insurer"] = PatientBroker(broker=client, patience=patience)
            yield network
        self.simulator.brokers = dict(self.honest)

    def request(self):
        self.runs += 1
        return self.simulator.request(self.query, run=f"run-cut-{self.runs:04}")

    def said(self):
        """Tell how many statements each broker has given."""
        return {name: broker.status().log_size for name, broker in self.honest.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    opened = World(tmp_path_factory.mktemp("cut"))
    yield opened
    opened.simulator.close()


def runs_once(world, path, cut):
    """A run through a network that heals ends well, and costs what an undisturbed one does."""
    before = world.said()
    run = world.request()
    with world.behind(path, cut, times=2) as network:
        world.simulator.execute(run)
    assert network.done == 2, "nothing was cut"
    assert world.simulator.result(run).rows
    assert world.said() == {name: count + 2 for name, count in before.items()}


def test_a_lost_answer_to_a_commit_is_asked_for_again_and_counts_once(world):
    runs_once(world, "commit", Cut.CLOSED_AFTER)


@pytest.mark.slow
@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("path", ASKED)
def test_a_network_that_heals_costs_nothing(world, path, cut):
    runs_once(world, path, cut)


@pytest.mark.slow
def test_a_run_outlives_a_network_that_is_pulled_out():
    """In a network namespace of its own: packets are lost, and connections are left half-open."""
    alone = ["unshare", "--net"]
    try:
        able = subprocess.run([*alone, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("this user may not make network namespaces")
    with tempfile.TemporaryDirectory(prefix="cr-") as directory:
        command = [*alone, sys.executable, "-W", "error", "-m", "tests.support.unplugged"]
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [*command, directory], cwd=root, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("cut", [Cut.CLOSED_BEFORE, Cut.CLOSED_AFTER])
def test_while_a_broker_is_away_at_commit_nothing_leaves(world, cut):
    """The other broker countersigned; that is not enough, whatever this one did unheard."""
    before = world.said()
    run = world.request()
    with world.behind("commit", cut, times=FOR_EVER, patience=dt.timedelta(0)):
        with pytest.raises(UnavailableError) as raised:
            world.simulator.execute(run)
        assert raised.value.code == "broker.unreachable"
    for place in (places.receipt_file(run), places.result_file(run)):
        assert not (world.simulator.room / place).exists()
    # What was prepared counts as released; the use is spent, once.
    heard = 2 if cut.arrives else 1
    assert world.said() == {
        "hospital": before["hospital"] + 2,
        "insurer": before["insurer"] + heard,
    }
    again = world.request()
    world.simulator.execute(again)
    assert world.simulator.result(again).rows
