# SPDX-License-Identifier: Apache-2.0
"""Children that do what they must not; the request says which."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

PIECE = 1 << 20


def echo(answer):
    answer.write(b"echo")


def half(answer):
    answer.write(b'{"rows": [')


def untyped(answer):
    answer.write(b'{"error": {"class": 1}}')


def foreign(answer):
    answer.write(
        b'{"error": {"class": "KeyRefusedError", "code": "x", "message": "secret", "hint": ""}}'
    )


def raises(answer):
    raise ValueError("secret")


def leaves(answer):
    os._exit(3)


def loops(answer):
    while True:
        pass


def sleeps(answer):
    time.sleep(3600)


def ignores_the_processor_limit(answer):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    loops(answer)


def floods(answer):
    while True:
        answer.write(bytes(PIECE))


def eats_memory(answer):
    kept = []
    while True:
        kept.append(bytearray(PIECE))


def forks(answer):
    if os.fork() == 0:
        os._exit(0)
    answer.write(b"forked")


def starts_threads(answer):
    stop = threading.Event()
    for _ in range(10_000):
        threading.Thread(target=stop.wait, daemon=True).start()
    answer.write(b"ten thousand threads")


def counts_small_threads(answer):
    stop = threading.Event()
    threading.stack_size(1 << 15)
    started = 0
    with contextlib.suppress(RuntimeError):
        while started < 1000:
            threading.Thread(target=stop.wait, daemon=True).start()
            started += 1
    answer.write(str(started).encode())


def crashes(answer):
    ctypes.string_at(0)


def aborts(answer):
    os.abort()


def raises_its_limits(answer):
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))
    answer.write(b"raised")


def prints(answer):
    sys.stdout.write("secret")
    sys.stdout.flush()
    sys.stderr.write("secret")
    answer.write(b"done")


def reads_what_it_was_given(answer):
    number = 64
    with contextlib.suppress(OSError):
        while True:
            answer.write(os.pread(number, 100, 0))
            number += 1


def lists_descriptors(answer):
    found = []
    for number in range(256):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    answer.write(repr(found).encode())


def shows_its_environment(answer):
    answer.write(repr((sorted(os.environ), sys.flags.isolated, os.getuid())).encode())


def reads(answer, path):
    with open(path, "rb") as file:  # noqa: PTH123 - no more imports than needed
        answer.write(file.read())


def connects(answer, name):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"\0{name}")
        answer.write(b"connected")


def executes(answer, program):
    subprocess.run([program], check=True)
    answer.write(b"started")


def work(answer):
    what, *arguments = sys.stdin.buffer.read().decode().split()
    globals()[what](answer, *arguments)
