# SPDX-License-Identifier: Apache-2.0
"""What the filter of system calls says, on both machines, call by call."""

import errno
import mmap
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.runner.sandbox import syscalls
from cleanroom.runner.sandbox.bpf import MAX_INSTRUCTIONS, assemble
from cleanroom.runner.sandbox.rules import child_rules
from cleanroom.runner.sandbox.syscalls import AARCH64, X86_64
from tests.support.bpf_machine import Verdict, judge

MACHINES = (X86_64, AARCH64)
PROGRAMS = {machine.name: assemble(child_rules(), machine) for machine in MACHINES}
ALLOW, KILL = Verdict("allow"), Verdict("kill")
REFUSE = Verdict("errno", errno.EPERM)
RULES = child_rules()

# Numbers from the kernel's tables, written again here: socket, connect, execve, fork,
# vfork, kill, ptrace, mount, unshare, setns, bpf, io_uring_setup, memfd_create, keyctl,
# process_vm_readv, userfaultfd, shmget, open_by_handle_at, pidfd_open, setuid.
X86_NUMBERS = "41 42 59 57 58 62 101 165 272 308 321 425 319 250 310 323 29 304 434 105"
ARM_NUMBERS = "198 203 221 129 117 40 97 268 280 425 279 219 270 282 194 265 434 146"
DANGEROUS = {
    "x86_64": [int(number) for number in X86_NUMBERS.split()],
    "aarch64": [int(number) for number in ARM_NUMBERS.split()],
}


def judged(machine, name, *arguments):
    number = machine.numbers[name]
    return judge(PROGRAMS[machine.name], audit=machine.audit, number=number, arguments=arguments)


@pytest.fixture(params=MACHINES, ids=lambda machine: machine.name)
def machine(request):
    return request.param


def test_a_program_is_short_enough_for_the_kernel(machine):
    assert len(PROGRAMS[machine.name]) // 8 <= MAX_INSTRUCTIONS


def test_every_rule_names_a_call_of_the_tables(machine):
    known = set(X86_64.numbers)
    assert {*RULES.plain, *RULES.limited, *RULES.answered} <= known


def test_reading_and_writing_what_is_open_is_allowed(machine):
    for name in RULES.plain & machine.numbers.keys():
        assert judged(machine, name) == ALLOW


def test_calls_that_reach_outside_are_refused(machine):
    for number in DANGEROUS[machine.name]:
        verdict = judge(PROGRAMS[machine.name], audit=machine.audit, number=number)
        assert verdict == REFUSE, number


@given(number=st.integers(0, 2**30 - 1), arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 6))
def test_a_number_outside_the_list_is_never_allowed(number, arguments):
    for machine in MACHINES:
        listed = {machine.numbers[name] for name in machine.numbers}
        verdict = judge(
            PROGRAMS[machine.name], audit=machine.audit, number=number, arguments=arguments
        )
        assert number in listed or verdict == REFUSE


@pytest.mark.parametrize("audit", [0x40000003, 0x40000028, 0, X86_64.audit ^ 1])
def test_a_call_of_another_machine_ends_the_process(machine, audit):
    assert judge(PROGRAMS[machine.name], audit=audit, number=0) == KILL


@given(number=st.integers(0x40000000, 2**31 - 1))
def test_the_second_table_of_x86_ends_the_process(number):
    assert judge(PROGRAMS["x86_64"], audit=X86_64.audit, number=number) == KILL


@pytest.mark.parametrize(
    "flags",
    [
        os.O_WRONLY,
        os.O_RDWR,
        os.O_CREAT,
        os.O_TRUNC,
        os.O_APPEND,
        os.O_PATH,
        os.O_TMPFILE | os.O_RDWR,
    ],
)
def test_files_open_for_reading_only(machine, flags):
    assert judged(machine, "openat", 0, 0, os.O_RDONLY | os.O_CLOEXEC) == ALLOW
    assert judged(machine, "openat", 0, 0, flags) == REFUSE
    assert judged(machine, "openat2") == Verdict("errno", errno.ENOSYS)


def test_memory_is_private_and_written_or_executed_never_both(machine):
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    shared = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
    both = mmap.PROT_WRITE | mmap.PROT_EXEC
    assert judged(machine, "mmap", 0, 0, mmap.PROT_READ | mmap.PROT_WRITE, private) == ALLOW
    assert judged(machine, "mmap", 0, 0, mmap.PROT_READ, mmap.MAP_SHARED) == ALLOW
    assert judged(machine, "mmap", 0, 0, mmap.PROT_READ, shared) == REFUSE
    assert judged(machine, "mmap", 0, 0, both, private) == REFUSE
    # Memory that grows like a stack is counted by no limit (MAP_GROWSDOWN).
    assert judged(machine, "mmap", 0, 0, mmap.PROT_READ, private | 0x100) == REFUSE
    # One pool of huge pages serves everybody, and tells what others took (MAP_HUGETLB).
    assert judged(machine, "mmap", 0, 0, mmap.PROT_READ, private | 0x40000) == REFUSE
    assert judged(machine, "mprotect", 0, 0, mmap.PROT_READ) == ALLOW
    assert judged(machine, "mprotect", 0, 0, mmap.PROT_READ | mmap.PROT_EXEC) == REFUSE


def test_threads_are_made_and_processes_are_not(machine):
    thread = 0x3D0F00  # what the C library asks for
    assert judged(machine, "clone", thread) == ALLOW
    assert judged(machine, "clone", 17) == REFUSE  # SIGCHLD alone: fork
    assert judged(machine, "clone", thread | 0x10000000) == REFUSE  # CLONE_NEWUSER
    assert judged(machine, "clone", thread | 0x1000) == REFUSE  # CLONE_PIDFD
    assert judged(machine, "clone3") == Verdict("errno", errno.ENOSYS)


@pytest.mark.parametrize("address", [1, 1 << 32])
def test_limits_can_be_seen_and_not_set(machine, address):
    assert judged(machine, "prlimit64", 0, 9, 0) == ALLOW
    assert judged(machine, "prlimit64", 0, 9, address) == REFUSE


def test_a_descriptor_cannot_be_made_to_signal_others(machine):
    assert judged(machine, "fcntl", 0, 3) == ALLOW
    assert judged(machine, "fcntl", 0, 8) == REFUSE  # F_SETOWN
    assert judged(machine, "ioctl", 0, 0x5412) == REFUSE  # TIOCSTI
    assert judged(machine, "prctl", 4, 1) == REFUSE  # PR_SET_DUMPABLE


# What code of somebody else must not do with a clock of a process, or a place in a common file.
OTHERS = {machine.name: assemble(child_rules(others_code=True), machine) for machine in MACHINES}
PRIVATE, REALTIME = 128, 256


# Wait, wake, requeue (3, 4), wake and compute, wait and wake with bits.
WAITING = (0, 1, 3, 4, 5, 9, 10, REALTIME, REALTIME | 9)
# Locks that name their holder (6, 7, 8, 11, 12, 13), and a descriptor that went long ago.
NAMING_ANOTHER = (2, 6, 7, 8, 11, 12, 13, REALTIME | 6, REALTIME | 11)
ASKED_AGAIN = Verdict("errno", errno.EAGAIN)


def futex(programs, machine, operation):
    number, arguments = machine.numbers["futex"], (4096, operation)
    return judge(programs[machine.name], audit=machine.audit, number=number, arguments=arguments)


@pytest.mark.parametrize("operation", WAITING)
def test_code_of_others_waits_for_nobody_but_its_own_threads(machine, operation):
    assert futex(OTHERS, machine, operation | PRIVATE) == ALLOW
    # Whoever joins a thread asks again after this answer; EPERM would end the process.
    assert futex(OTHERS, machine, operation) == ASKED_AGAIN
    assert futex(PROGRAMS, machine, operation) == ALLOW


@pytest.mark.parametrize("operation", NAMING_ANOTHER)
def test_code_of_others_takes_no_lock_that_names_another_thread(machine, operation):
    assert futex(OTHERS, machine, operation | PRIVATE) == ASKED_AGAIN
    assert futex(OTHERS, machine, operation) == ASKED_AGAIN


@pytest.mark.parametrize("process", [1, 4242, 2**22])
def test_code_of_others_asks_for_no_processors_but_its_own(machine, process):
    def asked(programs, process):
        number = machine.numbers["sched_getaffinity"]
        return judge(
            programs[machine.name], audit=machine.audit, number=number, arguments=(process, 128)
        )

    assert asked(OTHERS, 0) == asked(PROGRAMS, process) == ALLOW
    assert asked(OTHERS, process) == REFUSE


@pytest.mark.parametrize("call", ["clock_gettime", "clock_getres", "clock_nanosleep"])
def test_code_of_others_reads_no_clock_of_a_process(machine, call):
    def asked(clock):
        number = machine.numbers[call]
        return judge(
            OTHERS[machine.name], audit=machine.audit, number=number, arguments=(clock & 2**64 - 1,)
        )

    assert {asked(clock) for clock in range(12)} == {ALLOW}
    for process in (1, 4242, 2**22):
        for kind in range(8):
            assert asked((~process << 3) | kind) == REFUSE


@pytest.mark.parametrize(
    ("advice", "verdict"),
    # MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE; MADV_MERGEABLE, MADV_PAGEOUT, MADV_COLLAPSE.
    [(4, ALLOW), (8, ALLOW), (14, ALLOW), (12, REFUSE), (21, REFUSE), (25, REFUSE)],
)
def test_code_of_others_gives_memory_back_and_moves_none_that_others_read(machine, advice, verdict):
    number, arguments = machine.numbers["madvise"], (4096, 4096, advice)
    program = OTHERS[machine.name]
    assert judge(program, audit=machine.audit, number=number, arguments=arguments) == verdict
    assert judged(machine, "madvise", *arguments) == ALLOW


@pytest.mark.parametrize("call", ["sysinfo", "getrusage"])
def test_code_of_others_hears_no_sums_over_all_processes(machine, call):
    number = machine.numbers[call]
    assert judge(OTHERS[machine.name], audit=machine.audit, number=number) == REFUSE
    assert judged(machine, call) == ALLOW


def test_a_machine_without_a_table_is_told(monkeypatch):
    named = os.uname_result(("Linux", "host", "6.1", "#1", "riscv64"))
    monkeypatch.setattr(syscalls.os, "uname", lambda: named)
    assert syscalls.this_machine() is None
