# SPDX-License-Identifier: Apache-2.0
"""Show the self-test as it goes: one line an attempt, then a verdict for each level."""

from __future__ import annotations

import os

import click

from cleanroom.cli.session import Session
from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.runner.sandbox.host import Host, examine_host
from cleanroom.runner.sandbox.self_test import Evidence, Trial, Verdict, passes, run_self_test


def watch_self_test(session: Session, *, level: str | None) -> bool:
    """Run the attempts and tell whether every level that was tested holds.

    Raises:
        RefusedError: The host does not offer the level that was asked for, or none at all.
    """
    host = examine_host()
    trials: list[Trial] = []
    for trial in run_self_test(host, levels=_levels(host, level)):
        trials.append(trial)
        if not session.json:
            click.echo(_line(trial))
    verdicts = passes(trials)
    value = {
        "user": os.geteuid(),
        "verdicts": {str(name): good for name, good in verdicts.items()},
        "trials": [
            {
                "level": trial.level,
                "attempt": trial.attempt.name,
                "verdict": trial.verdict,
                "unconfined": trial.evidence,
            }
            for trial in trials
        ],
    }
    session.emit(value, "\n".join(_verdict(name, trials) for name in verdicts))
    return all(verdicts.values())


def _levels(host: Host, level: str | None) -> list[SandboxLevel]:
    if level is not None:
        host.confinement(SandboxLevel(level))
        return [SandboxLevel(level)]
    host.confinement(SandboxLevel.SELF)
    kernel = (SandboxLevel.SELF, SandboxLevel.FULL)
    return [found for found in kernel if host.best.level.satisfies(found)]


def _line(trial: Trial) -> str:
    return f"{trial.level}  {trial.verdict:8} {trial.attempt.name:55} {trial.evidence}"


def _verdict(level: SandboxLevel, trials: list[Trial]) -> str:
    tried = [trial for trial in trials if trial.level is level]
    blocked = [trial for trial in tried if trial.verdict is Verdict.BLOCKED]
    proven = [trial for trial in tried if trial.evidence is Evidence.REACHES]
    word = "holds" if len(blocked) == len(tried) else "DOES NOT HOLD"
    return (
        f"level {level} {word}: {len(blocked)} of {len(tried)} attempts blocked,"
        f" {len(proven)} of them reach something unconfined (user {os.geteuid()})"
    )
