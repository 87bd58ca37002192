# SPDX-License-Identifier: Apache-2.0
"""The root of the command line: which commands there are, and how it ends.

Importing this module imports click and nothing heavy; see :mod:`cleanroom.cli.lazy`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from cleanroom.cli import failure
from cleanroom.cli.interrupts import told_as_interrupts
from cleanroom.cli.lazy import Entry, LazyGroup
from cleanroom.cli.session import global_options
from cleanroom.errors import CleanroomError
from cleanroom.kernel.process import leave

PROGRAM = "cleanroom"
COMPLETION_VARIABLE = "_CLEANROOM_COMPLETE"


def _entry(module: str, text: str) -> Entry:
    return Entry(module=f"cleanroom.cli.{module}", attribute="command", help=text)


COMMANDS = {
    "demo": _entry("demo.command", "Run two organisations end to end on this machine."),
    "doctor": _entry("doctor", "Name every broken link, and how to fix it."),
    "init": _entry("init", "Create a party: keys, profile, broker home."),
    "party": _entry("party", "Show, trust and list parties."),
    "policy": _entry("policy", "Suggest, check and show output policies."),
    "data": _entry("data", "Seal, open, list, inspect and delete datasets."),
    "contract": _entry("contract", "Write, check, compare, sign and verify contracts."),
    "broker": _entry("broker", "Serve this party's key broker, or ask for its status."),
    "hub": _entry("hub", "Keep rooms for parties on other machines; trusted with nothing."),
    "room": _entry("room", "Clone, pull and push a room that a hub keeps."),
    "query": _entry("query", "Explain, submit, approve and list queries."),
    "run": _entry("run", "Sign a run request and run an approved query."),
    "watch": _entry("watch", "Follow or cancel a run in a hub's queue."),
    "runner": _entry("runner", "Serve rooms as a runner; name its digests; test its sandbox."),
    "result": _entry("result", "Open a sealed result that was made for this party."),
    "verify": _entry("verify", "Verify a receipt offline, one line a check."),
    "attest": _entry("attest", "Show, verify, explain and collect evidence; profiles."),
    "revoke": _entry("revoke", "Withdraw a contract, dataset, query, key or approval."),
    "audit": _entry("audit", "Check a broker's log against its signed checkpoints."),
    "completion": _entry("completion", "Print a completion script for bash, zsh or fish."),
    "version": _entry("version", "Print the versions that a receipt names."),
}


class Root(LazyGroup):
    """All commands, loaded on demand."""

    entries = COMMANDS


cli = Root(
    name=PROGRAM,
    params=list(global_options()),
    help=(
        "Compute on the joined data of organisations that do not trust each other.\n\n"
        "Only what every owner's policy allows comes out, and whoever receives a"
        " result can prove offline how it came about. Start with: cleanroom demo"
    ),
    epilog=(
        "Exit status: 0 done, 1 stopped for another reason, 2 wrong command line, 3 refused by a"
        " rule, 4 malformed, 5 not what was signed, 6 unavailable now, 130 interrupted."
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    as_json = failure.wants_json(args)
    try:
        with told_as_interrupts():
            status = cli.main(
                args=list(args),
                prog_name=PROGRAM,
                complete_var=COMPLETION_VARIABLE,
                standalone_mode=False,
            )
    except CleanroomError as error:
        return failure.report_refusal(error, as_json=as_json)
    except click.ClickException as error:
        return failure.report_usage(error, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return failure.report_interrupt(as_json=as_json)
    except BrokenPipeError:
        _close_stdout()
        return 1
    except OSError as error:
        return failure.report_system(error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - what nobody foresaw may quote a cell
        return failure.report_defect(error, as_json=as_json)
    return status if isinstance(status, int) else 0


def main() -> NoReturn:
    """Entry point of the ``cleanroom`` program."""
    leave(run(sys.argv[1:]))


def _close_stdout() -> None:
    # The reader of a pipe left. Python flushes stdout again at exit, which would
    # print a second, misleading error.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
