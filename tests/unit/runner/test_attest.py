# SPDX-License-Identifier: Apache-2.0
"""What a runner says it is: everything that it imports counts."""

import json
import subprocess
import sys

from cleanroom.runner.attest import RUNTIME_DISTRIBUTIONS

IMPORTED = """
import importlib.metadata, json, sys
import cleanroom.runner.__main__, cleanroom.runner.child, cleanroom.runner.analysis.frames_child
from cleanroom.runner.analysis import code_child, export_child, frames_child, statistics_child
from cleanroom.engine import query
from cleanroom.errors import UnavailableError
from cleanroom.runner.broker_client import BrokerClient
from cleanroom.runner.network_carrier import load_network_client

import duckdb, fsspec
duckdb.connect().execute("SELECT 1").fetchall()
try:
    BrokerClient("unix:/nonexistent/broker.sock").status()
except UnavailableError:
    pass
load_network_client()
homes = importlib.metadata.packages_distributions()
# setuptools, where installed, hooks itself into every interpreter; it runs nothing here.
# pyarrow takes cloudpickle where the environment of analyses brings it; its lock pins it.
tops = {name.partition(".")[0] for name in sys.modules} - {"_distutils_hack", "cloudpickle"}
print(json.dumps(sorted({home for top in tops for home in homes.get(top, ())} - {"cleanroom"})))
"""


def test_every_distribution_that_a_runner_imports_is_measured():
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTED], capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout)) <= set(RUNTIME_DISTRIBUTIONS), done.stdout
