# SPDX-License-Identifier: Apache-2.0
"""A database's URL: what it may say, who may see it, and TLS that cannot be turned off."""

import sys

import pytest

from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.keybroker.database_url import find_url, parse_url, shown, write_url
from cleanroom.keybroker.memory import open_controls, open_looking, open_memory, require_memory

LOCAL = "postgresql://cleanroom@/memory?host=/run/postgresql"
REMOTE = "postgresql://cleanroom:hush@db.hospital.example:5433/memory"


def test_a_server_on_the_network_must_prove_its_name():
    url = parse_url(REMOTE)
    assert url.query == {"sslmode": "verify-full", "sslrootcert": "system"}
    assert parse_url(f"{REMOTE}?sslrootcert=/etc/ca.pem").query["sslrootcert"] == "/etc/ca.pem"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_weaker_tls_is_refused(mode):
    with pytest.raises(RefusedError) as refused:
        parse_url(f"{REMOTE}?sslmode={mode}")
    assert refused.value.code == "broker.url-tls"


def test_a_socket_of_this_machine_needs_no_tls():
    assert "sslmode" not in parse_url(LOCAL).query


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "sqlite:///state.sqlite",
        "postgresql+psycopg2://cleanroom@db/memory",
        "postgresql://db/memory",
        "postgresql://cleanroom@db",
        "postgresql://cleanroom@/memory",
        "postgresql://cleanroom@db:none/memory",
        "postgresql://cleanroom@one,two/memory",
        "postgresql://cleanroom@db/memory?host=other",
        "postgresql://cleanroom@/memory?host=/one,/two",
        "postgresql://cleanroom@/memory?host=one:1&host=two:2",
        "postgresql://cleanroom@/memory?host=one:1",
        f"{LOCAL}&options=-c%20fsync%3Doff",
        f"{LOCAL}&target_session_attrs=any",
        f"{LOCAL}&passfile=/a&passfile=/b",
        "postgresql://clean\x00room@db/memory",
    ],
)
def test_another_form_is_refused_and_not_quoted(text):
    with pytest.raises(MalformedError, match="^database URL: ") as refused:
        parse_url(text)
    assert refused.value.code == "broker.url"
    assert refused.value.__context__ is None


def test_a_password_that_others_may_see_is_refused():
    with pytest.raises(RefusedError) as refused:
        parse_url(REMOTE, password_is_seen=True)
    assert refused.value.code == "broker.url-password"
    assert "hush" not in str(refused.value)
    assert parse_url(LOCAL, password_is_seen=True).database == "memory"


def test_a_home_keeps_its_url_from_others(tmp_path):
    assert find_url(tmp_path) is None
    write_url(tmp_path, parse_url(REMOTE))
    assert find_url(tmp_path) == parse_url(REMOTE)
    assert "hush" not in shown(parse_url(REMOTE))
    (tmp_path / "database.url").chmod(0o640)
    with pytest.raises(RefusedError):
        find_url(tmp_path)
    (tmp_path / "database.url").chmod(0o600)
    (tmp_path / "database.url").write_bytes("postgresql://ä@db/memory".encode())
    with pytest.raises(MalformedError):
        find_url(tmp_path)


def test_a_home_with_a_file_and_a_url_is_refused(tmp_path):
    write_url(tmp_path, parse_url(LOCAL))
    require_memory(tmp_path)
    open_memory(tmp_path).close()
    open_controls(tmp_path).dispose()
    open_looking(tmp_path).dispose()
    (tmp_path / "state.sqlite").touch()
    for opening in (open_memory, open_controls, open_looking, require_memory):
        with pytest.raises(IntegrityError) as refused:
            opening(tmp_path)
        assert refused.value.code == "broker.two-memories"


def test_without_the_driver_it_is_said_what_to_install(tmp_path, monkeypatch):
    write_url(tmp_path, parse_url(LOCAL))
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UnavailableError) as refused:
        open_memory(tmp_path)
    assert refused.value.code == "broker.driver"
