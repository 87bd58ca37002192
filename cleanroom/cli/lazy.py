# SPDX-License-Identifier: Apache-2.0
"""Commands that are imported when somebody asks for them.

Engines, data frames and web servers cost tenths of a second each to import. A
person who types ``cleanroom --help`` or presses the tab key waits for none of
them, because the root group knows only names and one line of help.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from cleanroom.cli.session import Group
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a command lives, and what it does in one line.

    Attributes:
        module: Module that holds the command.
        attribute: Name of the command object in that module.
        help: The line that ``cleanroom --help`` prints.
    """

    module: str
    attribute: str
    help: str


class LazyGroup(Group):
    """The root group: a table of entries, each loaded on first use."""

    entries: Mapping[str, Entry] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order in which a newcomer needs them."""
        del ctx
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command's module, or say that there is no such command."""
        del ctx
        if cmd_name not in self.entries:
            return None
        entry = self.entries[cmd_name]
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest names that look like the one typed."""
        name = args[0]
        if name not in self.entries and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(name, possibilities=list(self.entries), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any of them."""
        del ctx
        rows = [(name, entry.help) for name, entry in self.entries.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
