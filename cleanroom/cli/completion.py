# SPDX-License-Identifier: Apache-2.0
"""Completion of commands, options and names for three shells."""

from __future__ import annotations

import click

from cleanroom.cli.session import Command, current

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command, name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print a completion script.

    Put `eval "$(cleanroom completion bash)"` into ~/.bashrc, or likewise for zsh;
    for fish write the output to ~/.config/fish/completions/cleanroom.fish.
    """
    from click.shell_completion import get_completion_class

    from cleanroom.cli.main import COMPLETION_VARIABLE, PROGRAM, cli

    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"no completion for {shell}")
    maker = completion(cli, {}, PROGRAM, COMPLETION_VARIABLE)
    script = maker.source_template % maker.source_vars()
    current().emit({"shell": shell, "script": script}, script)
