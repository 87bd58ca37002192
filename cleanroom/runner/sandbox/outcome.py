# SPDX-License-Identifier: Apache-2.0
"""How a child ended, in a few fixed words.

What a child does depends on data, so its end is told in this vocabulary only: no
exit status, no signal number, no text of its own.
"""

from __future__ import annotations

import signal

from cleanroom.errors import QueryFailedError
from cleanroom.runner.sandbox.enter import OUT_OF_DISK, OUT_OF_MEMORY, SETUP_FAILED

TIME = "sandbox.time"
PROCESSOR = "sandbox.processor"
MEMORY = "sandbox.memory"
OUTPUT = "sandbox.output"
DISK = "sandbox.disk"
KILLED = "sandbox.killed"
CRASHED = "sandbox.crashed"
FORBIDDEN = "sandbox.forbidden"
SETUP = "sandbox.setup"
FAILED = "sandbox.failed"

_MORE = "submit it with more "
_SENTENCES = {
    TIME: ("the analysis needs more time than it may use", f"{_MORE}--seconds"),
    PROCESSOR: (
        "the analysis needs more processor time than it may use",
        f"{_MORE}--processor-seconds or --seconds",
    ),
    MEMORY: ("the analysis needs more memory than it may use", f"{_MORE}--memory-mib"),
    OUTPUT: (
        "the analysis returns more bytes than it may",
        f"return fewer rows or columns, or {_MORE}--result-mib",
    ),
    DISK: ("the analysis needs more disk than it may use", f"{_MORE}--memory-mib"),
    KILLED: ("the analysis was ended from outside", "look for a lack of memory on the host"),
    CRASHED: ("the analysis crashed", "run it on mock data"),
    FORBIDDEN: ("the analysis tried what its sandbox forbids", "run it on mock data"),
    SETUP: ("a layer of the sandbox could not be put on", "cleanroom doctor"),
    FAILED: ("the analysis did not complete", "run it on mock data"),
}
_BY_SIGNAL = {
    signal.SIGXCPU: PROCESSOR,
    signal.SIGXFSZ: DISK,
    signal.SIGKILL: KILLED,
    signal.SIGTERM: KILLED,
    signal.SIGSEGV: CRASHED,
    signal.SIGBUS: CRASHED,
    signal.SIGABRT: CRASHED,
    signal.SIGILL: CRASHED,
    signal.SIGFPE: CRASHED,
    signal.SIGSYS: FORBIDDEN,
}
# What our own first code says; the code of an analysis can lie about them, and gains nothing.
_BY_STATUS = {SETUP_FAILED: SETUP, OUT_OF_MEMORY: MEMORY, OUT_OF_DISK: DISK}
_SHELL_OFFSET = 128  # bubblewrap reports the end of its child as a shell does


def failed(code: str) -> QueryFailedError:
    """Return the error of one outcome."""
    sentence, hint = _SENTENCES[code]
    return QueryFailedError(f"sandbox: {sentence}", code=code, hint=hint)


def cause(status: int) -> str | None:
    """Name what an exit status means, or nothing where the child ended well.

    Args:
        status: As :class:`subprocess.Popen` gives it: negative for a signal.
    """
    if status == 0:
        return None
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    number = -status if status < 0 else status - _SHELL_OFFSET
    return _BY_SIGNAL.get(number, FAILED)  # type: ignore[call-overload,no-any-return]
