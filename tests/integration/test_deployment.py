# SPDX-License-Identifier: Apache-2.0
"""What is under deploy/ names commands, options and files that exist; images come out the same."""

import configparser
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile

import pytest
import yaml

from cleanroom.runner.sandbox import bubblewrap
from cleanroom.runner.sandbox.bubblewrap import Namespaces
from tests.support.source_tree import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/opt/cleanroom/bin/cleanroom"
# What keeps a service that was taken over from reaching further; systemd.exec(5).
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "CapabilityBoundingSet": "",
    "RestrictNamespaces": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
    "LimitCORE": "0",
    "StateDirectoryMode": "0700",
    "MemoryDenyWriteExecute": "yes",
    "ProtectHostname": "yes",
}

# A runner makes the sandboxes of analyses and reads evidence from devices.
RUNNER = {
    "PrivateDevices": None,
    "RestrictNamespaces": "user mnt pid net ipc uts cgroup",
    "MemoryDenyWriteExecute": None,
    # bubblewrap sets it inside; this refuses the call there too, and level full is lost.
    "ProtectHostname": None,
}
# The most that `systemd-analyze security` may find, of 10; systemd 252 counts 1.2 and 3.2.
EXPOSURE = {"cleanroom-runner": 3.4}
LISTENING = 1.4


def unit(path):
    """Read a unit; keys that come twice keep the last."""
    parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str
    parser.read_string(path.read_text("utf-8"))
    return parser


def require_command(words):
    """Fail unless the program has this command with these options."""
    verbs = [word for word in words if not word.startswith("-")][:2]
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    done = subprocess.run(
        [sys.executable, "-m", "cleanroom.cli", *verbs, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    known = set(re.findall(r"--[a-z-]+", done.stdout))
    assert options <= known, options - known


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_what_there_is_and_is_hardened(path):
    service = unit(path)["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == PROGRAM
    require_command(words)
    for key, value in (HARDENED | (RUNNER if "runner" in path.name else {})).items():
        assert service.get(key) == value, key
    assert unit(path)["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_gets_every_setting_and_secret_that_it_names(path):
    text = path.read_text("utf-8")
    kind = path.stem.removeprefix("cleanroom-").rstrip("@")
    settings = (DEPLOY / "systemd" / f"{kind}.env").read_text("utf-8")
    given = set(re.findall(r"^([A-Z_]+)=", settings, re.MULTILINE))
    used = set(re.findall(r"\$\{([A-Z_]+)\}", text))
    assert used - {"STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"} == given
    loaded = set(re.findall(r"^LoadCredential=([a-z.]+):", text, re.MULTILINE))
    assert set(re.findall(r"\$\{CREDENTIALS_DIRECTORY\}/([a-z.]+)", text)) == loaded


def test_the_runner_may_call_what_its_sandbox_calls():
    """Beyond systemd's group of services: a sandbox that lacks one falls to a weaker level."""
    service = unit(DEPLOY / "systemd" / "cleanroom-runner@.service")["Service"]
    landlock = {f"landlock_{act}" for act in ("create_ruleset", "add_rule", "restrict_self")}
    needed = {"@system-service", "@mount", "seccomp", *landlock}
    if "--hostname" in bubblewrap.wrapped("bwrap", Namespaces.OF_A_USER, places=(), command=()):
        needed.add("sethostname")
    assert set(service["SystemCallFilter"].split()) == needed


@pytest.fixture
def analyze():
    """Return what runs systemd-analyze, of Debian's package systemd."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")

    def run(*arguments):
        command = [program, "--no-pager", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_every_line_of_a_unit(path, analyze, tmp_path):
    """With a program that is there: whether ours is installed is another question."""
    text = path.read_text("utf-8").replace(PROGRAM, "/bin/true")
    (tmp_path / path.name).write_text(text, "utf-8")
    about = analyze("verify", str(tmp_path / path.name)).splitlines()
    assert not [line for line in about if "cleanroom" in line]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_a_unit_exposed_no_further_than_it_must_be(path, analyze):
    told = analyze("security", "--offline=true", str(path))
    found = re.search(r"Overall exposure level for [^:]*: ([0-9.]+)", told)
    assert found, told
    assert float(found.group(1)) <= EXPOSURE.get(path.stem.rstrip("@"), LISTENING)


def test_the_composition_starts_what_there_is():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for service in compose["services"].values():
        require_command(service["command"])
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        for secret in service["secrets"]:
            assert compose["secrets"][secret]["file"].startswith("./secrets/")
        named = {word.rpartition("/")[2] for word in service["command"] if "/run/secrets/" in word}
        assert named == set(service["secrets"])
        for volume in service["volumes"]:
            assert volume.partition(":")[0] in compose["volumes"]


def test_the_container_is_built_of_files_that_exist_and_runs_as_nobody():
    lines = (DEPLOY / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name
    text = "\n".join(lines)
    assert "USER 10001:10001" in text
    assert text.count("--require-hashes") == 1
    assert "--no-build-isolation --no-deps /src" in text


def test_every_file_is_told_of():
    told = (DEPLOY / "README.md").read_text("utf-8")
    for path in [*UNITS, DEPLOY / "Containerfile", DEPLOY / "compose.yaml"]:
        assert path.name in told


def build(output, wheels, lock, source, **environment):
    """Build an image from some directory, and return what it prints."""
    program = source / "deploy" / "runner-image" / "build.py"
    done = subprocess.run(
        [
            sys.executable,
            program,
            "--lock",
            lock,
            "--wheels",
            wheels,
            "--source",
            source,
            "--output",
            output,
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=output.parent,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout)


def small_lock(path):
    """Write a lock of one small package, as the whole one has it."""
    text = (ROOT / "requirements.lock").read_text("utf-8")
    found = re.search(r"^mypy-extensions==.*(?:\n    .*)*\n", text, re.MULTILINE)
    path.write_text(found.group(0), "utf-8")
    return path


@pytest.mark.slow
def test_a_second_build_on_another_path_gives_the_same_image(tmp_path):
    lock, first = small_lock(tmp_path / "lock.txt"), tmp_path / "a"
    wheels = tmp_path / "wheels"
    command = ("download", "-q", "--no-deps", "--only-binary=:all:", "--require-hashes")
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", *command, "--dest", wheels, "--requirement", lock],
        capture_output=True,
        check=False,
    )
    if fetched.returncode:
        pytest.skip("no package index can be reached")
    other = tmp_path / "deeper" / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("cleanroom", "contracts", "deploy"):
        shutil.copytree(ROOT / name, other / name, ignore=ignored)
    for path in other.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o700 if path.is_dir() else 0o600)
    one = build(first, wheels, lock, ROOT)
    two = build(
        tmp_path / "deeper" / "b",
        shutil.copytree(wheels, tmp_path / "w"),
        lock,
        other,
        TZ="Asia/Tokyo",
        PYTHONHASHSEED="7",
    )
    assert one == two
    manifest = json.loads((first / "index.json").read_text())["manifests"][0]["digest"]
    assert manifest == one["image"]
    for blob in (first / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    with tarfile.open(
        first / "blobs" / "sha256" / one["layers"][-1].removeprefix("sha256:")
    ) as own:
        names = own.getnames()
    assert "opt/cleanroom/site-packages/cleanroom/runner/__main__.py" in names
    # A changed line is another image, and a wheel that the lock does not name is none at all.
    (other / "cleanroom" / "errors.py").write_text("# changed\n")
    assert build(tmp_path / "c", wheels, lock, other)["image"] != one["image"]
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0"))
    with pytest.raises(subprocess.CalledProcessError):
        build(tmp_path / "d", wheels, lock, ROOT)
