# SPDX-License-Identifier: Apache-2.0
"""A hub goes back to an old copy while its parties have seen more: who notices, and what is lost.

Adversary of T-02: whoever can restore a hub hides what came after, and has nothing run twice.
"""

import tempfile
from pathlib import Path

import pytest

from tests.support.distributed import network

pytestmark = pytest.mark.slow


def test_a_restored_hub_is_noticed_and_nothing_is_released_twice():
    with tempfile.TemporaryDirectory(prefix="cr-") as name, network(Path(name)) as net:
        operator, insurer = net.parties["operator"], net.insurer
        hub, copy = net.directory / "hub", net.directory / "copy"
        net.services["runner"].start()
        operator.succeeds("hub", "backup", copy, "--directory", hub)
        run = net.queue(2024)
        assert net.wait(run).error is None
        rows = insurer.succeeds("result", "get", run, "--room", net.url)["rows"]
        spent = (net.uses(), net.uses("insurer"))

        net.services["runner"].end()
        net.services["hub"].end()
        hub.rename(net.directory / "lost")
        operator.succeeds("hub", "restore", copy, "--directory", hub)
        net.services["hub"].start()
        net.services["runner"].start()

        # 1. The party that saw the run notices before it signs or asks for anything.
        for command in (net.ask(2023), ("query", "list", "--room", net.url)):
            refused = insurer.refused(*command)
            assert refused.code == "mirror.rolled-back"
            assert "room pull --again" in refused.out
        # 2. The queue has forgotten the run; nobody asks for its keys again.
        assert insurer.refused("watch", run, "--room", net.url).code == "hub.no-job"
        assert (net.uses(), net.uses("insurer")) == spent
        # 3. Its mirror holds what the hub lost, and puts back what is its own.
        (mirror,) = (path.parent for path in insurer.home.rglob("contract.toml"))
        insurer.succeeds("room", "pull", mirror, "--again")
        insurer.succeeds("room", "push", mirror)
        assert insurer.succeeds("result", "get", run, "--room", net.url)["rows"] == rows
        assert (net.uses(), net.uses("insurer")) == spent
