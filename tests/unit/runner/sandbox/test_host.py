# SPDX-License-Identifier: Apache-2.0
"""What a host offers is found out, named, and never more than it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.errors import RefusedError
from cleanroom.runner.sandbox import bubblewrap, host, kernel, landlock, users
from cleanroom.runner.sandbox.bubblewrap import Namespaces
from cleanroom.runner.sandbox.enter import READY, SETUP_FAILED
from cleanroom.runner.sandbox.host import Confinement, Host, Missing, examine_host, weaker
from cleanroom.runner.sandbox.process import child_command, confined_child
from cleanroom.runner.sandbox.users import OWN_USERS
from tests.support.sandboxes import (
    CONFINED,
    SMALL,
    confinement_or_skip,
    misbehave,
)

PROCESS, SELF, FULL = SandboxLevel


def plain(level):
    return Confinement(level=level, namespaces=None, program="", user=0)


def examined():
    """Ask again, without what an earlier question found."""
    return examine_host.__wrapped__()


LACKING = Missing(layer="namespaces", found="none", fix="apt-get install bubblewrap")


@pytest.mark.parametrize(("offered", "least"), [(PROCESS, SELF), (PROCESS, FULL), (SELF, FULL)])
def test_less_than_agreed_is_refused_with_what_is_missing_and_its_fix(offered, least):
    weak = Host(best=plain(offered), missing=(LACKING,))
    with pytest.raises(RefusedError, match=f"^sandbox: this host offers {offered}") as refused:
        weak.confinement(least)
    assert "missing: namespaces" in str(refused.value)
    assert refused.value.hint == LACKING.fix


@pytest.mark.parametrize(("offered", "least"), [(SELF, PROCESS), (SELF, SELF), (FULL, PROCESS)])
def test_the_best_is_used_even_where_less_would_do(offered, least):
    best = plain(offered)
    assert Host(best=best, missing=()).confinement(least) is best


def test_no_confinement_is_made_stronger_than_it_is():
    with pytest.raises(ValueError, match="stronger"):
        weaker(plain(SELF), FULL)


@pytest.mark.parametrize("level", [*SandboxLevel])
def test_a_level_names_its_layers(level):
    layers = plain(level).layers
    assert {"separate-process", "resource-limits", "no-new-privileges"} <= set(layers)
    assert ("landlock" in layers) == ("seccomp" in layers) == (level is not PROCESS)
    assert ("namespaces" in layers) == (level is FULL)


def test_a_root_child_is_never_called_unprivileged():
    assert ("unprivileged-user" in plain(SELF).layers) == (os.geteuid() != 0)


def test_without_bubblewrap_the_package_is_named(monkeypatch):
    confinement_or_skip(SELF)
    monkeypatch.setattr(bubblewrap, "_SEARCHED", "/nowhere")
    found = examined()
    assert found.best.level is SELF
    assert found.missing[0].fix == "apt-get install bubblewrap"


def test_bubblewrap_that_may_make_no_namespaces_does_not_count(monkeypatch):
    confinement_or_skip(SELF)
    monkeypatch.setattr(bubblewrap, "find", lambda: "/bin/false")
    found = examined()
    assert found.best.level is SELF
    assert "lets it make no namespaces" in found.missing[0].found


@pytest.mark.parametrize(
    ("module", "name", "layer"),
    [(landlock, "version", "landlock"), (kernel, "can_filter", "seccomp")],
)
def test_a_kernel_without_a_layer_offers_no_kernel_sandbox(monkeypatch, module, name, layer):
    monkeypatch.setattr(module, name, lambda _machine: 0)
    found = examined()
    assert found.best.level is PROCESS
    assert layer in [item.layer for item in found.missing]
    assert all(item.fix for item in found.missing)


def test_a_processor_without_a_table_offers_no_kernel_sandbox(monkeypatch):
    monkeypatch.setattr(host, "this_machine", lambda: None)
    found = examined()
    assert found.best.level is PROCESS
    assert "no table of system calls" in found.missing[0].found


def test_a_root_whose_files_are_closed_to_others_is_told_that_its_child_stays_root(monkeypatch):
    confinement_or_skip(FULL)
    if os.geteuid() != 0:
        pytest.skip("only a root runner changes users")
    monkeypatch.setattr(host.places, "open_to_all", lambda **_: False)
    found = examined()
    assert found.best.user == 0
    assert "unprivileged-user" not in found.best.layers
    assert found.missing[-1].layer == "unprivileged-user"


def test_without_namespaces_a_root_whose_files_are_closed_keeps_nothing_but_reading(monkeypatch):
    confinement_or_skip(SELF)
    if os.geteuid() != 0:
        pytest.skip("only a root runner changes users")
    monkeypatch.setattr(host.places, "open_to_all", lambda **_: False)
    alone = weaker(examined().best, SELF)
    assert alone.reads_as_root
    assert "unprivileged-user" in alone.layers
    with confined_child("misbehaving", confinement=alone, limits=SMALL, code=(CONFINED,)) as child:
        child.require_ready()
        lines = Path(f"/proc/{child.process_id}/status").read_text().splitlines()
    told = {name: values.split() for name, _, values in (line.partition(":") for line in lines)}
    assert {int(number) in OWN_USERS for number in (*told["Uid"], *told["Gid"])} == {True}
    assert told["Groups"] == []
    reading = ["0000000000000004"]  # CAP_DAC_READ_SEARCH
    assert told["CapEff"] == told["CapPrm"] == reading
    assert told["CapInh"] == told["CapAmb"] == ["0000000000000000"]
    # Without Landlock it could read everything.
    assert weaker(alone, PROCESS).user == 0


def test_every_child_of_a_root_runner_is_a_user_of_its_own():
    confinement_or_skip(SELF)
    if os.geteuid() != 0:
        pytest.skip("only a root runner changes users")
    best = host.examine_host().best
    shown = [misbehave(best, "shows_its_environment") for _ in range(2)]
    several = {eval(told)[-1] for told in shown}  # noqa: S307 - our own tuple
    assert len(several) == 2
    assert all(user in OWN_USERS for user in several)


@pytest.mark.parametrize(
    ("mapped", "user"),
    [
        ("0 0 4294967295\n", OWN_USERS.start),
        ("0 100000 65536\n", users.NOBODY),
        ("0 0 1\n1000 1000 2000000000\n", users.NOBODY),
        ("nonsense\n", users.NOBODY),
    ],
)
def test_where_root_is_a_containers_its_children_are_nobody(tmp_path, mapped, user):
    place = tmp_path / "uid_map"
    place.write_text(mapped)
    assert users.others_there((place, place)) == user
    assert users.others_there((place, tmp_path / "absent")) == users.NOBODY
    child = users.child_user(user)
    assert child in OWN_USERS if user == OWN_USERS.start else child == user


def test_the_caller_does_not_choose_the_bubblewrap(tmp_path, monkeypatch):
    (tmp_path / "bwrap").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bubblewrap.find() != str(tmp_path / "bwrap")


def test_namespaces_of_a_plain_user_forbid_further_ones():
    assert "--disable-userns" in Namespaces.OF_A_USER.value
    assert "--unshare-user" in Namespaces.OF_A_USER.value


WITHOUT = """
import json, sys
plan = sys.argv[1]
sys.path[:0] = json.loads(plan)["import_path"]
import cleanroom.runner.sandbox.enter as enter, cleanroom.runner.sandbox.{module} as layer
layer.{name} = lambda *_, **__: None
enter.enter(plan)
"""


def started_without(module, name):
    confined = confinement_or_skip(SELF)
    command = child_command("misbehaving", confinement=confined, limits=SMALL, code=(CONFINED,))
    code = WITHOUT.format(module=module, name=name)
    return subprocess.run(
        [sys.executable, "-I", "-B", "-c", code, command[-1]],
        input=b"echo",
        capture_output=True,
        check=False,
    )


def test_a_child_with_every_layer_says_that_it_is_ready():
    done = started_without("kernel", "nothing_of_this_name")
    assert done.stdout == READY + b"echo"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("module", "name"), [("landlock", "restrict"), ("kernel", "filter_every_thread")]
)
def test_a_child_on_which_one_layer_is_not_on_never_says_that_it_is_ready(module, name):
    done = started_without(module, name)
    assert done.stdout == b""
    assert done.returncode == SETUP_FAILED
