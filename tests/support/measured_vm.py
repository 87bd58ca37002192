# SPDX-License-Identifier: Apache-2.0
"""A virtual machine that measures its own start: OVMF, a Debian kernel, swtpm.

QEMU emulates the processor (TCG), so it needs no special host. The guest is this
Python with the modules that the program needs and nothing else; it is told what to
do on one serial line and answers there.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.source_tree import ROOT
from tests.support.swtpm import require_program

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
KERNEL = "CLEANROOM_TEST_KERNEL"
BOOT_SECONDS = 300  # about 15 on an idle machine
_INIT_MODULES = ("ctypes", "json", "termios", "traceback")
READY, ANSWER = b"the guest is ready", b"the answer is "
_LIST_MODULES = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
files = {m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
print(json.dumps(sorted(files)))
"""


def kernel() -> Path:
    """Find a kernel image, or skip the test."""
    named = [Path(os.environ[KERNEL])] if KERNEL in os.environ else []
    found = [path for path in (*named, *sorted(Path("/boot").glob("vmlinuz-*"))) if path.is_file()]
    if not found:
        pytest.skip(f"no kernel in /boot or ${KERNEL} (Debian package linux-image-cloud-amd64)")
    return found[0]


def require_machine() -> None:
    """Skip the test unless a virtual machine can be started."""
    require_program("qemu-system-x86_64", "swtpm")
    for path in (FIRMWARE, VARIABLES):
        if not path.is_file():
            pytest.skip(f"{path} is not installed (Debian package ovmf)")
    kernel()


def initrd(program: str, modules: Sequence[str]) -> bytes:
    """Pack this Python, modules with everything that they import, and a program as ``/init``."""
    listed = subprocess.run(
        [sys.executable, "-I", "-B", "-c", _LIST_MODULES, str(ROOT), *modules, *_INIT_MODULES],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    interpreter = Path(os.path.realpath(sys.executable))
    contents = {"init": _Init(program, interpreter).script.encode()}
    for path in (interpreter, *map(Path, json.loads(listed))):
        contents[str(path).lstrip("/")] = path.read_bytes()
        if path is interpreter or path.suffix == ".so":
            for library in _libraries(path):
                contents[str(library).lstrip("/")] = library.read_bytes()
    # Python looks for this file to find its own library.
    for landmark in _landmarks():
        contents.setdefault(str(landmark).lstrip("/"), landmark.read_bytes())
    return gzip.compress(_archive(contents), 1, mtime=0)


class _Init:
    """The first process: mounts what the program reads, runs it, switches off.

    The program finds ``request`` and calls ``answer``.
    """

    def __init__(self, program: str, interpreter: Path) -> None:
        self.script = (
            f"#!{interpreter} -IBS\n"
            "import ctypes, os, sys, traceback\n"
            f"sys.path.insert(0, {str(ROOT)!r})\n"
            "libc = ctypes.CDLL(None)\n"
            "for kind, place in (('proc', '/proc'), ('sysfs', '/sys'), ('devtmpfs', '/dev'),\n"
            "                    ('securityfs', '/sys/kernel/security')):\n"
            "    os.makedirs(place, exist_ok=True)\n"
            "    libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)\n"
            "import json, termios\n"
            "line = open('/dev/ttyS1', 'r+b', buffering=0)\n"
            "mode = termios.tcgetattr(line)\n"
            "mode[1] &= ~termios.OPOST\n"
            "mode[3] &= ~(termios.ECHO | termios.ICANON)\n"
            "termios.tcsetattr(line, termios.TCSAFLUSH, mode)\n"
            "def answer(value):\n"
            f"    line.write({ANSWER!r} + json.dumps(value).encode() + b'\\n')\n"
            "    termios.tcdrain(line)\n"
            f"line.write({READY!r} + b'\\n')\n"
            "request = b''\n"
            "while not request.endswith(b'\\n'):\n"
            "    request += line.read(1)\n"
            "request = json.loads(request)\n"
            "try:\n"
            + "".join(f"    {line}\n" for line in program.splitlines())
            + "except BaseException:\n"
            "    answer({'failed': traceback.format_exc()})\n"
            "libc.reboot(0x4321FEDC)\n"
        )


def _libraries(path: Path) -> list[Path]:
    lines = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
    words = [word for line in lines.splitlines() for word in line.split()]
    return [Path(word) for word in words if word.startswith("/")]


def _landmarks() -> list[Path]:
    library = Path(os.__file__).parent
    return [library / "os.py", *library.glob("encodings/*.py")]


def _archive(contents: dict[str, bytes]) -> bytes:
    """Write a cpio archive as the kernel reads it (newc), directories first."""
    directories = {
        str(parent) for name in contents for parent in Path(name).parents if str(parent) != "."
    } | {"dev", "proc", "sys", "tmp"}
    entries = [(name, 0o040755, b"") for name in sorted(directories)]
    entries += [(name, 0o100755, data) for name, data in contents.items()]
    data = b"".join(_entry(number, *entry) for number, entry in enumerate(entries, start=1))
    return data + _entry(0, "TRAILER!!!", 0, b"")


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def boot(packed: bytes, *, state: Path, request: Any) -> Any:
    """Start a machine whose TPM has this state, hand over a request, return its answer.

    Args:
        packed: The initial file system, from :func:`initrd`.
        state: swtpm's directory.
        request: What the program finds, as JSON.
    """
    require_machine()
    with tempfile.TemporaryDirectory(prefix="vm-") as short:
        place = Path(short)
        (place / "initrd").write_bytes(packed)
        shutil.copyfile(VARIABLES, place / "variables")
        with (
            _chip(state, place / "tpm"),
            _line(place / "line") as listener,
            (place / "console").open("wb") as console,
        ):
            machine = subprocess.Popen(
                _command(place),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
            try:
                return _converse(listener, request, place / "console")
            finally:
                machine.kill()
                machine.wait()


@contextlib.contextmanager
def _chip(state: Path, control: Path) -> Iterator[None]:
    chip = subprocess.Popen(
        [
            *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}"),
            *("--ctrl", f"type=unixio,path={control}", "--terminate"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not control.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"swtpm ended with {chip.wait(timeout=0.02)}")
        yield
    finally:
        chip.terminate()
        chip.wait(timeout=300)


@contextlib.contextmanager
def _line(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(BOOT_SECONDS)
        yield listener


def _command(place: Path) -> list[str]:
    return [
        *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"),
        *("-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"),
        *("-drive", f"if=pflash,format=raw,file={place}/variables"),
        *("-chardev", f"socket,id=tpm,path={place}/tpm"),
        *("-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm"),
        *("-kernel", str(kernel()), "-initrd", str(place / "initrd")),
        *("-append", "console=ttyS0 panic=-1 ima_policy=tcb"),
        *("-serial", "stdio", "-chardev", f"socket,id=line,path={place}/line"),
        *("-serial", "chardev:line"),
    ]


def _converse(listener: socket.socket, request: Any, console: Path) -> Any:
    connection, _ = listener.accept()
    connection.settimeout(BOOT_SECONDS)
    with connection, connection.makefile("rwb") as line, contextlib.suppress(TimeoutError):
        # The firmware shows its screens here too, so each side waits for the other's mark.
        _after(READY, line)
        line.write(json.dumps(request).encode() + b"\n")
        line.flush()
        return json.loads(_after(ANSWER, line))
    pytest.fail(f"the machine said {console.read_bytes()[-4000:]!r}")


def _after(mark: bytes, line: Any) -> bytes:
    for text in iter(line.readline, b""):
        _, found, rest = text.partition(mark)
        if found:
            return bytes(rest)
    raise TimeoutError
