# SPDX-License-Identifier: Apache-2.0
"""Where passphrases come from: a prompt, a file or an open descriptor.

Never the command line and never the environment, because other users of the
machine, shell histories and crash reports read both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cleanroom.cli.failure import NoTerminalError
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.record import dataclass

MAX_PASSPHRASE_BYTES = 1024
_HINT = "--passphrase-file FILE or --passphrase-fd N"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseSource:
    """Where the caller said that the passphrase is.

    Attributes:
        file: A file that holds it, or ``None``.
        descriptor: An open descriptor to read it from, or ``None``.
        signing_file: A file with the passphrase of an existing SSH key, if it is another one.
    """

    file: Path | None
    descriptor: int | None
    signing_file: Path | None


def passphrase_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command that signs the options for its passphrases, as one ``source``."""
    option = click.option(
        "--signing-passphrase-file",
        type=click.Path(path_type=Path),
        help="File with the SSH key's own passphrase, if it is another one.",
    )
    return option(opening_options(function))


def opening_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command that signs nothing the same, without the option for an SSH key of its own."""

    @wraps(function)
    def command(
        *args: Any,  # noqa: ANN401 - whatever the command itself takes
        passphrase_file: Path | None,
        passphrase_fd: int | None,
        signing_passphrase_file: Path | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        if passphrase_file is not None and passphrase_fd is not None:
            raise click.UsageError("give --passphrase-file or --passphrase-fd, not both")
        source = PassphraseSource(
            file=passphrase_file, descriptor=passphrase_fd, signing_file=signing_passphrase_file
        )
        function(*args, source=source, **kwargs)

    for option in _options():
        option(command)
    return command


def _options() -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    path = click.Path(path_type=Path)
    return [
        click.option("--passphrase-fd", type=int, help="Open descriptor with the passphrase."),
        click.option(
            "--passphrase-file",
            type=path,
            envvar="CLEANROOM_PASSPHRASE_FILE",
            help="File with the passphrase; asked for on the terminal otherwise.",
        ),
    ]


def read_passphrase(source: PassphraseSource, *, subject: str) -> bytes:
    """Return the passphrase that opens existing keys.

    Raises:
        click.UsageError: Nothing was given and there is no terminal.
        MalformedError: It is empty or too long.
        UnavailableError: The file or descriptor cannot be read.
    """
    if source.file is not None:
        return read_secret_file(source.file)
    if source.descriptor is not None:
        return _from_descriptor(source.descriptor)
    return ask(subject, confirm=False)


def read_new_passphrase(source: PassphraseSource, *, subject: str) -> bytes:
    """Return a passphrase for keys that are about to be made; a person types it twice.

    Raises:
        click.UsageError: Nothing was given and there is no terminal.
        MalformedError: It is empty or too long.
    """
    if source.file is None and source.descriptor is None:
        return ask(subject, confirm=True)
    return read_passphrase(source, subject=subject)


def ask(subject: str, *, confirm: bool) -> bytes:
    """Ask on the terminal, without showing what is typed.

    Raises:
        click.UsageError: There is no terminal.
    """
    if not sys.stdin.isatty():
        raise NoTerminalError(f"passphrase of {subject}", hint=_HINT)
    typed: str = click.prompt(
        f"Passphrase of {subject}", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return _checked(typed.encode())


def read_secret_file(path: Path) -> bytes:
    """Read a passphrase from a file; one line ending at its end does not count.

    Raises:
        MalformedError: It is empty or too long.
        UnavailableError: It cannot be read.
    """
    if path.is_fifo() or path.is_char_device():
        # As in --passphrase-file <(pass show hospital), or /dev/stdin.
        return _from_descriptor(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    data = read_limited(path, what=f"passphrase file {path.name}", limit=MAX_PASSPHRASE_BYTES)
    if _readable_by_others(path):
        click.echo(f"warning: others can read {path.name}; chmod 600 {path.name}", err=True)
    return _checked(data)


def _readable_by_others(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def _from_descriptor(descriptor: int) -> bytes:
    try:
        with os.fdopen(descriptor, "rb") as file:
            return _checked(file.read(MAX_PASSPHRASE_BYTES + 1))
    except OSError:
        raise UnavailableError(
            f"passphrase: descriptor {descriptor} cannot be read",
            code="passphrase.descriptor",
            hint="open it in the shell, for example: --passphrase-fd 3 3<file",
        ) from None


def _checked(data: bytes) -> bytes:
    passphrase = data.removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase:
        raise MalformedError("passphrase: empty", code="passphrase.empty", hint=_HINT)
    if len(passphrase) > MAX_PASSPHRASE_BYTES:
        raise MalformedError(
            f"passphrase: longer than {MAX_PASSPHRASE_BYTES} bytes", code="passphrase.long"
        )
    return passphrase
