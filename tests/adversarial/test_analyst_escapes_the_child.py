# SPDX-License-Identifier: Apache-2.0
"""T-22: somebody who owns the child that works on rows gets nowhere from there."""

import os
import socket

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.layout import RoomDirectory
from cleanroom.errors import QueryFailedError, RefusedError
from cleanroom.runner.execute import Runner, execute
from cleanroom.runner.sandbox.host import Confinement, Host, Missing
from tests.support.room_simulator import RoomSimulator
from tests.support.sandboxes import KERNEL_LEVELS, confinement_or_skip, misbehave

SQL = b"SELECT ward, count(*) AS n FROM hospital.stays GROUP BY ward"


@pytest.fixture(params=KERNEL_LEVELS)
def confined(request):
    return confinement_or_skip(request.param)


def test_a_file_that_everybody_can_read_is_not_there(confined, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for directory in (tmp_path, *tmp_path.parents[:-2]):
        directory.chmod(0o755)
    bare = confinement_or_skip(SandboxLevel.PROCESS)
    assert reached(bare, f"reads {secret}") == b"secret" or os.geteuid() == 0
    assert reached(confined, f"reads {secret}") == b""


def test_a_socket_that_listens_is_not_reached(confined, tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0cleanroom-{os.getpid()}")
        listening.listen()
        name = f"cleanroom-{os.getpid()}"
        bare = confinement_or_skip(SandboxLevel.PROCESS)
        assert reached(bare, f"connects {name}") == b"connected"
        assert reached(confined, f"connects {name}") == b""


def test_no_program_is_started(confined):
    bare = confinement_or_skip(SandboxLevel.PROCESS)
    assert reached(bare, "executes /bin/true") == b"started"
    assert reached(confined, "executes /bin/true") == b""


def reached(confinement, what):
    try:
        return misbehave(confinement, what)
    except QueryFailedError:
        return b""


@pytest.mark.parametrize("offered", [SandboxLevel.PROCESS, SandboxLevel.SELF])
def test_a_host_that_confines_less_than_agreed_gets_no_key(tmp_path, offered):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(sandbox=SandboxLevel.FULL)
    run = simulator.request(simulator.approved(SQL))
    weak = Confinement(level=offered, namespaces=None, program="", user=0)
    lacking = Missing(layer="namespaces", found="none", fix="apt-get install bubblewrap")
    runner = Runner(
        room=RoomDirectory(path=simulator.room),
        clock=simulator.clock,
        report=lambda _stage: None,
        connect=lambda _approved: pytest.fail("a broker was asked"),
        examine=lambda: Host(best=weak, missing=(lacking,)),
    )
    with pytest.raises(RefusedError, match=f"^sandbox: this host offers {offered}") as refused:
        execute(run, runner=runner)
    assert refused.value.code == "runner.sandbox"
    assert "apt-get install bubblewrap" in refused.value.hint
    assert not (simulator.room / "runs" / run / "receipt.json").exists()
    simulator.close()


def test_the_receipt_names_the_layers_that_were_on(tmp_path):
    simulator = RoomSimulator(tmp_path)
    level = confinement_or_skip(SandboxLevel.SELF).level
    simulator.agree(sandbox=level)
    run = simulator.request(simulator.approved(SQL))
    receipt = simulator.execute(run)
    assert {"landlock", "seccomp", "separate-process"} <= set(receipt.body.sandbox.layers)
    assert simulator.verify(run).body.sandbox.level in ("self", "full")
    simulator.close()
