# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the tests' own: thrown away, and reached over a Unix socket alone.

With a certificate it is reached over TLS on loopback as well, by a password.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from cleanroom.keybroker.database_url import URL_FILE
from cleanroom.server.certificate import CertificateFiles
from tests.support.served_brokers import free_loopback_address

USER = "cleanroom"
HOST = "127.0.0.1"
_NOBODY = 65534
_WAIT_SECONDS = 60


def find_programs() -> Path:
    """Return the directory of the server's programs; skip the test if there is none."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    pytest.skip("no PostgreSQL server is installed (Debian package postgresql)")


@dataclass(kw_only=True)
class Server:
    """A server that can be ended like a machine that loses its power, and started again."""

    programs: Path
    directory: Path
    settings: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            *_AS_NOBODY,
            *(self.programs / "postgres", "-D", self.directory / "data"),
            *("-k", self.directory, *self._listening(), *self.settings),
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(_WAIT_SECONDS * 20):
            try:
                psycopg.connect(self._address("postgres")).close()
            except psycopg.OperationalError:
                try:
                    self.process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                break
            else:
                return
        pytest.fail("the PostgreSQL server did not start")

    def kill(self) -> None:
        """End it at once: nothing is finished or written, and it recovers when it starts."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(_WAIT_SECONDS)
            self.process = None

    def make(self, *, like: str = "template0") -> str:
        """Make a database, empty or like another one, and return its name."""
        name = f"memory_{secrets.token_hex(6)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE \"{like}\" ENCODING 'UTF8'")
        return name

    def url(self, database: str) -> str:
        """Return a database's URL."""
        return f"postgresql://{USER}@/{database}?host={self.directory}"

    def network_url(self, database: str, *, host: str = HOST, password: str = "", **options) -> str:
        """Return a database's URL over the network."""
        user = f"{USER}:{password}" if password else USER
        said = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@{host}:{self.port}/{database}?{said}"

    def _listening(self) -> tuple[str, ...]:
        if not self.port:
            return ("-c", "listen_addresses=")
        return ("-c", f"listen_addresses={HOST}", "-c", f"port={self.port}")

    def ask(self, database: str, sql: str) -> list[tuple[object, ...]]:
        """Ask as somebody beside the broker."""
        with psycopg.connect(self._address(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _address(self, database: str) -> str:
        port = f" port={self.port}" if self.port else ""
        return f"host={self.directory}{port} user={USER} dbname={database}"


@contextmanager
def running_server(*settings: str) -> Iterator[Server]:
    """Make a server and run it while the block runs."""
    with _made_server(settings, port=0) as server:
        server.start()
        yield server


@contextmanager
def network_server(*, password: str, certificate: CertificateFiles | None) -> Iterator[Server]:
    """Run a server that is reached over loopback, by a password, with TLS or without."""
    port = int(free_loopback_address().rpartition(":")[2])
    with _made_server((), port=port) as server:
        data = server.directory / "data"
        over = "host"
        if certificate is not None:
            over = "hostssl"
            server.settings = ("-c", "ssl=on")
            for file, name in ((certificate.chain, "server.crt"), (certificate.key, "server.key")):
                _give(data / name, file.read_bytes())
        access = f"local all all trust\n{over} all all {HOST}/32 scram-sha-256\n"
        _give(data / "pg_hba.conf", access.encode())
        server.start()
        server.ask("postgres", f"ALTER ROLE {USER} PASSWORD '{password}'")
        yield server


def _give(path: Path, data: bytes) -> None:
    """Write a file for the server's user alone."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(data)
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)


@contextmanager
def _made_server(settings: tuple[str, ...], *, port: int) -> Iterator[Server]:
    programs = find_programs()
    # A socket's path is short, and the server's user must reach it.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        directory = Path(name)
        if os.geteuid() == 0:
            os.chown(directory, _NOBODY, _NOBODY)
        initdb = (
            programs / "initdb",
            "-D",
            directory / "data",
            "-U",
            USER,
            "-A",
            "trust",
            "--no-sync",
        )
        subprocess.run(
            [*_AS_NOBODY, *initdb, "--encoding=UTF8", "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            cwd=directory,
        )
        server = Server(
            programs=programs,
            directory=directory,
            settings=tuple(part for setting in settings for part in ("-c", setting)),
            port=port,
        )
        try:
            yield server
        finally:
            server.kill()


def name_database(home: Path, url: str) -> None:
    """Let a broker's home name its database."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / URL_FILE
    path.touch(mode=0o600)
    path.write_text(url, "utf-8")


def _as_nobody() -> tuple[str, ...]:
    # The server refuses to run as root.
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")


_AS_NOBODY = _as_nobody()
