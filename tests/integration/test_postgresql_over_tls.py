# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server over TLS and a password, for a memory and a source, and who lies there."""

import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from cleanroom.errors import UnavailableError
from cleanroom.vault.postgresql_table import open_server
from tests.integration.test_broker_process import (
    PATIENCE,
    room_in_force,
    running,
    uses_of_a_release,
    write_profiles,
)
from tests.support.command_line import Party
from tests.support.host_certificates import host_certificate
from tests.support.keys import throwaway_party, write_profile
from tests.support.postgresql import Server, network_server
from tests.support.sealed_tables import seal_and_read

pytest.importorskip("psycopg")

PASSWORD = "Zzyzx-do-not-disclose"
TABLE = "CREATE TABLE stays (v text); INSERT INTO stays VALUES ('a'), ('b')"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server over TLS, one without, and files of authorities."""

    server: Server
    plain: Server
    right: Path
    wrong: Path

    def url(self, **changes):
        """Return the address of the server over TLS, with one thing changed."""
        found = {"host": "127.0.0.1", "password": PASSWORD, "sslrootcert": self.right, **changes}
        server = found.pop("server", self.server)
        return server.network_url(found.pop("database", "postgres"), **found)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    right, wrong = (host_certificate(directory / name) for name in ("right", "wrong"))
    for name, made in (("right.pem", right), ("wrong.pem", wrong)):
        (directory / name).write_text(made.authorities, "ascii")
    with (
        network_server(password=PASSWORD, certificate=right.files) as server,
        network_server(password=PASSWORD, certificate=None) as plain,
    ):
        server.ask("postgres", TABLE)
        yield Place(
            server=server,
            plain=plain,
            right=directory / "right.pem",
            wrong=directory / "wrong.pem",
        )


LIES = pytest.mark.parametrize(
    ("lie", "name"),
    [
        (lambda place: {"sslrootcert": place.wrong}, "certificate"),
        (lambda _: {"sslrootcert": "system"}, "certificate"),
        (lambda _: {"host": "localhost"}, "name"),
        (lambda place: {"server": place.plain}, "plain"),
        (lambda place: {"sslrootcert": place.wrong.with_name("absent.pem")}, "authorities"),
        (lambda _: {"password": f"{PASSWORD}?"}, "login"),
        (lambda _: {"password": ""}, "login"),
    ],
    ids=["authority", "public", "name", "plain", "no file", "password", "no password"],
)


def write(tmp_path, text):
    """Write a private file."""
    path = tmp_path / "address"
    path.touch(mode=0o600)
    path.write_text(f"{text}\n", "ascii")
    return path


def test_a_source_over_tls_is_sealed(place, tmp_path):
    address = write(tmp_path, place.url(sslmode="verify-full"))
    _, rows = seal_and_read(address, tmp_path, columns=("v",), table="stays")
    assert rows == [("a",), ("b",)]


@LIES
def test_a_source_that_is_not_what_was_agreed_is_refused_by_name(place, tmp_path, lie, name):
    # Over a name of this machine nothing is asked of a server unless its address says so;
    # the address says so here.
    address = write(tmp_path, place.url(**lie(place), sslmode="verify-full"))
    with pytest.raises(UnavailableError) as refused:
        open_server(address)()
    assert refused.value.code == f"vault.server-{name}"
    assert refused.value.hint
    assert PASSWORD not in repr(refused.value)
    assert refused.value.__context__ is None


@LIES
def test_a_memory_that_is_not_what_was_agreed_is_refused_by_name(place, tmp_path, lie, name):
    party = Party(name="hospital", home=tmp_path / "hospital").settle()
    known = throwaway_party("hospital", broker_address=f"unix:{tmp_path}/b.sock")
    write_profile(party.home / "cleanroom", known)
    address = write(tmp_path, place.url(**lie(place)))
    refused = party.refused("broker", "database", "--url-file", address)
    assert refused.code == f"broker.database-{name}"
    assert PASSWORD not in refused.out + refused.err
    assert not list(party.home.rglob("database.url"))


@pytest.mark.slow
def test_a_broker_remembers_over_tls_and_shows_no_password(place):
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        directory = Path(name)
        people = write_profiles(directory)
        room = room_in_force(directory, people)
        database = place.server.make()
        home = directory / "hospital" / "broker"
        url = home / "database.url"
        url.touch(mode=0o600)
        url.write_text(place.url(database=database), "ascii")
        with running(directory) as (address, process):
            assert uses_of_a_release(room, address) == 1
            seen = place.server.ask(
                "postgres",
                "SELECT usename, ssl FROM pg_stat_activity"
                " JOIN pg_stat_ssl USING (pid) WHERE application_name = 'cleanroom broker'",
            )
            assert seen
            assert {ssl for _, ssl in seen} == {True}
            of_process = Path(f"/proc/{process.pid}")
            shown = [of_process / "cmdline", of_process / "environ"]
            shown += [path for path in directory.rglob("*") if path.is_file() and path != url]
            assert not any(PASSWORD.encode() in path.read_bytes() for path in shown)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0
            assert PASSWORD not in process.stdout.read() + process.stderr.read()
