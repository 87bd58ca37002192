# SPDX-License-Identifier: Apache-2.0
"""The self-test: every attempt blocked at every level, as root and as somebody else."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import RefusedError
from cleanroom.runner.sandbox.escapes.suite import ATTEMPTS
from cleanroom.runner.sandbox.host import Confinement, Host, Missing
from cleanroom.runner.sandbox.self_test import Evidence, Verdict, passes, run_self_test
from tests.support.sandboxes import KERNEL_LEVELS, confinement_or_skip, host

NOBODY = 65534
# Attempts whose control works for every user on every Linux.
SAMPLE = (
    "files: read /etc/passwd",
    "files: write where everybody may",
    "network: connect over TCP",
    "network: connect to a socket without a file",
    "network: talk to the kernel over netlink",
    "processes: start a process",
    "processes: run another program",
    "memory: take 6 GiB that no limit counts",
    "memory: write and execute the same memory",
    "memory: make a file in memory",
)


def named(*names):
    return [attempt for attempt in ATTEMPTS if attempt.name in names]


def test_attempts_have_names_of_their_own():
    assert len({attempt.name for attempt in ATTEMPTS}) == len(ATTEMPTS)
    assert len(named(*SAMPLE)) == len(SAMPLE)


@pytest.mark.parametrize("level", KERNEL_LEVELS)
def test_what_succeeds_unconfined_is_blocked(level):
    confinement_or_skip(level)
    trials = list(run_self_test(host(), levels=[level], attempts=named(*SAMPLE)))
    assert [trial.verdict for trial in trials] == [Verdict.BLOCKED] * len(SAMPLE)
    assert [trial.evidence for trial in trials] == [Evidence.REACHES] * len(SAMPLE)


def test_a_level_that_lets_one_attempt_through_does_not_hold():
    attempts = named("files: read /etc/passwd", "inside: use an open file that it was not given")
    trials = list(run_self_test(host(), levels=[SandboxLevel.PROCESS], attempts=attempts))
    assert [trial.verdict for trial in trials] == [Verdict.REACHED, Verdict.BLOCKED]
    assert passes(trials) == {SandboxLevel.PROCESS: False}


def test_a_level_that_the_host_lacks_is_not_tested_and_never_passes():
    weak = Confinement(level=SandboxLevel.PROCESS, namespaces=None, program="", user=0)
    lacking = Host(best=weak, missing=(Missing(layer="landlock", found="none", fix="another"),))
    with pytest.raises(ValueError, match="stronger"):
        list(run_self_test(lacking, levels=[SandboxLevel.SELF]))
    with pytest.raises(RefusedError, match="missing: landlock"):
        lacking.confinement(SandboxLevel.SELF)


def whole(command, **options):
    done = subprocess.run(
        [*command, "-I", "-B", "-m", "cleanroom.cli", "--json", "runner", "self-test"],
        capture_output=True,
        check=False,
        cwd="/",
        **options,
    )
    return done, json.loads(done.stdout or "{}")


def check(done, answer, *, user):
    reached = [trial for trial in answer["trials"] if trial["verdict"] != "blocked"]
    assert reached == []
    assert done.returncode == 0
    assert answer["user"] == user
    assert answer["verdicts"] == {
        str(level): True for level in KERNEL_LEVELS if host().best.level.satisfies(level)
    }
    proven = [trial for trial in answer["trials"] if trial["unconfined"].startswith("reaches it")]
    assert len(proven) > len(answer["trials"]) // 2


@pytest.mark.slow
def test_every_attempt_is_blocked_at_every_level():
    confinement_or_skip(SandboxLevel.SELF)
    done, answer = whole([sys.executable])
    check(done, answer, user=os.geteuid())
    per_level = len(answer["trials"]) // len(answer["verdicts"])
    assert per_level == len(ATTEMPTS)


@pytest.fixture
def python_of_everybody():
    """Give an interpreter that every user can start, with the packages of this one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = shutil.which(version, path="/usr/bin:/usr/local/bin")
    if system is None:
        pytest.skip(f"no {version} in a system directory, and others cannot read this one")
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o755)
        (place / "bin").mkdir()
        (place / "bin" / "python").symlink_to(system)
        (place / "pyvenv.cfg").write_text(f"home = {Path(system).parent}\n")
        (place / "lib" / version).mkdir(parents=True)
        (place / "lib" / version / "site-packages").symlink_to(sysconfig.get_path("purelib"))
        yield place / "bin" / "python"


@pytest.mark.slow
def test_every_attempt_is_blocked_for_a_user_who_is_nobody(python_of_everybody):
    confinement_or_skip(SandboxLevel.SELF)
    if os.geteuid() != 0:
        pytest.skip("only root becomes somebody else; the test above ran as a plain user")
    done, answer = whole([python_of_everybody], user=NOBODY, group=NOBODY, extra_groups=[])
    if not answer:
        pytest.skip("the packages of this interpreter cannot be read by another user")
    check(done, answer, user=NOBODY)
