# SPDX-License-Identifier: Apache-2.0
"""A memory on PostgreSQL is as strict as a file; T-19, with the server's operator as well."""

import threading

import psycopg
import pytest
import sqlalchemy as sa

from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.keybroker import postgresql, schema
from cleanroom.keybroker.backup import back_up, copy_server, restore
from cleanroom.keybroker.controls import EVERYTHING, Controls, StopKind
from cleanroom.keybroker.database import database_errors
from cleanroom.keybroker.database_url import parse_url
from cleanroom.keybroker.migrations import REVISIONS, migrate, require_empty
from cleanroom.keybroker.postgresql import Access, open_postgresql
from cleanroom.keybroker.sqlite import open_database
from cleanroom.keybroker.state import BrokerState
from tests.support.brokers import ScriptedRunner, broker_bench, read_release
from tests.support.postgresql import name_database
from tests.support.room_documents import NOW

BEGUN = {"party": "hospital", "epoch": "e" * 32, "at": NOW}


class Answers:
    """A connection of the driver that answers what it is told."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []
        self.state = "open"

    def execute(self, sql, _values=()):
        self.asked.append(sql)
        return self

    def fetchone(self):
        return (self.answers.get(self.asked[-1].removeprefix("SHOW ").split("(")[0], "on"),)

    def rollback(self):
        self.state = "idle"

    def close(self):
        self.state = "closed"


def check(connection, *, access):
    """Do what is done with a new connection."""
    engine = open_postgresql(parse_url("postgresql://c@/m?host=/run"), access)
    ours = [item for item in engine.pool.dispatch.connect if item.__module__ == postgresql.__name__]
    assert len(ours) == (2 if access is Access.SERVE else 1)
    for listener in ours:
        listener(connection, None)
    return connection


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_may_forget_a_commit_is_refused(setting):
    connection = Answers(**{setting: "off"})
    with pytest.raises(UnavailableError, match=setting) as refused:
        check(connection, access=Access.CONTROL)
    assert refused.value.code == "broker.not-durable"
    assert connection.state == "closed"


def test_a_database_that_another_broker_holds_is_refused():
    connection = Answers(**{"SELECT pg_try_advisory_lock": False})
    with pytest.raises(UnavailableError) as refused:
        check(connection, access=Access.SERVE)
    assert refused.value.code == "broker.locked"
    assert connection.state == "closed"
    assert check(Answers(), access=Access.SERVE).state == "idle"


@pytest.mark.parametrize("access", [Access.SERVE, Access.CONTROL])
def test_who_may_write_waits_for_whoever_writes(access):
    engine = open_postgresql(parse_url("postgresql://c@/m?host=/run"), access)
    (begin,) = engine.dispatch.begin
    asked = []

    class Connection:
        exec_driver_sql = staticmethod(lambda *words: asked.append(words))

    begin(Connection)
    assert asked == [("SELECT pg_advisory_xact_lock(%s)", (postgresql.WRITING,))]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (psycopg.errors.ReadOnlySqlTransaction, "broker.state"),
        (psycopg.errors.InsufficientPrivilege, "broker.state"),
        (psycopg.errors.AdminShutdown, "broker.state"),
        (psycopg.InterfaceError, "broker.state"),
        (psycopg.errors.UniqueViolation, "broker.state-damaged"),
        (psycopg.errors.UndefinedTable, "broker.state-damaged"),
    ],
)
def test_what_the_server_says_is_in_our_words(error, code):
    engine = open_postgresql(parse_url("postgresql://c@/m?host=/run"), Access.LOOK)
    wrapped = sa.exc.DBAPIError.instance(
        "SELECT", None, error("a value"), psycopg.Error, dialect=engine.dialect
    )
    with pytest.raises((UnavailableError, IntegrityError)) as refused, database_errors():
        raise wrapped
    assert refused.value.code == code
    assert "a value" not in str(refused.value)


def test_a_copy_of_a_server_is_a_file(tmp_path):
    """The server is a file here; what is copied is read through SQLAlchemy alone."""
    state = BrokerState(tmp_path)
    state.begin(**BEGUN)
    state.close()
    copy_server(open_database(tmp_path / "state.sqlite"), make(tmp_path / "copy"))
    restored = make(tmp_path / "home")
    restore(tmp_path / "copy", restored, party="hospital", leaves=(), epoch="1" * 32, at=NOW)
    with pytest.raises(UnavailableError):
        copy_server(open_database(tmp_path / "nothing"), make(tmp_path / "empty"))


def test_a_memory_is_never_replaced_and_none_is_not_controlled(tmp_path):
    (tmp_path / "state.sqlite").touch()
    with pytest.raises(UnavailableError) as refused:
        Controls(tmp_path)
    assert refused.value.code == "broker.state-absent"
    state = BrokerState(tmp_path)
    state.begin(**BEGUN)
    with state.transaction() as opened, pytest.raises(RefusedError) as taken:
        require_empty(opened.recorder.connection)
    assert taken.value.code == "broker.home-taken"
    state.close()


def test_a_server_that_is_not_there_is_unavailable_and_gives_the_home_back(tmp_path):
    name_database(tmp_path, "postgresql://c@/m?host=/nowhere/at/all")
    (tmp_path / "state.sqlite").touch()
    with pytest.raises(IntegrityError):
        BrokerState(tmp_path)
    (tmp_path / "state.sqlite").unlink()
    state = BrokerState(tmp_path)
    with pytest.raises(UnavailableError) as refused:
        state.begin(**BEGUN)
    assert refused.value.code == "broker.state"
    state.close()
    with pytest.raises(UnavailableError) as refused:
        back_up(tmp_path, tmp_path / "copy")
    assert refused.value.code == "broker.state"


def make(path):
    path.mkdir(mode=0o700)
    return path


# From here on a server runs.


@pytest.fixture
def home(tmp_path, server):
    path = tmp_path / "hospital"
    name_database(path, server.url(server.make()))
    return path


@pytest.fixture
def served(tmp_path, room, server):
    """A broker, its bench and the name of its database."""
    database = server.make()
    name_database(tmp_path / "hospital", server.url(database))
    with broker_bench(tmp_path, room) as bench:
        yield bench, database


@pytest.mark.slow
def test_one_broker_serves_a_database(home, tmp_path):
    state = BrokerState(home)
    state.begin(**BEGUN)
    other = tmp_path / "other machine"
    name_database(other, (home / "database.url").read_text("utf-8"))
    second = BrokerState(other)
    with pytest.raises(UnavailableError) as refused:
        second.begin(**BEGUN)
    assert refused.value.code == "broker.locked"
    state.close()
    second.begin(**BEGUN)
    second.close()


@pytest.mark.slow
def test_a_control_waits_for_a_decision_and_holds_for_the_next(served, room, runner):
    bench, _ = served
    request, broker = runner.ask(bench), bench.brokers["hospital"]
    with Controls(bench.home("hospital")) as controls:
        stop = threading.Thread(
            target=lambda: controls.stop(StopKind.ALL, EVERYTHING, at=NOW), daemon=True
        )
        with broker._home.state.transaction() as opened:  # noqa: SLF001 - a decision that lasts
            stop.start()
            stop.join(0.5)
            assert stop.is_alive()
            assert not opened.standing.stops()
        stop.join(60)
        with pytest.raises(RefusedError) as refused:
            broker.release(request)
        assert refused.value.code == "broker.stopped"


@pytest.mark.slow
def test_a_server_that_is_killed_gives_nothing_back(served, room, runner, server):
    bench, _ = served
    broker, request = bench.brokers["hospital"], runner.ask(bench)
    server.kill()
    try:
        with pytest.raises(UnavailableError) as refused:
            broker.release(request)
        assert refused.value.code == "broker.state"
        with pytest.raises(UnavailableError):
            broker.require_ready()
    finally:
        server.start()
    broker.require_ready()
    logged = broker.release(request)
    assert read_release(room, "hospital", logged).uses.used == 1
    server.kill()
    server.start()
    assert broker.release(request).statement == logged.statement
    another = broker.release(ScriptedRunner(room=room, label="second").ask(bench))
    assert read_release(room, "hospital", another).uses.used == 2


@pytest.mark.slow
def test_a_connection_that_ends_at_the_commit_spends_a_use_at_most_once(
    served, room, runner, server
):
    bench, database = served
    broker, request = bench.brokers["hospital"], runner.ask(bench)
    server.ask(
        database,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
        " CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON releases"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
    )
    for _ in range(2):
        with pytest.raises(UnavailableError) as refused:
            broker.release(request)
        assert refused.value.code == "broker.state"
        assert broker.status().log_size == 0
    server.ask(database, "DROP TRIGGER dies ON releases")
    logged = broker.release(request)
    assert read_release(room, "hospital", logged).uses.used == 1
    assert logged.index == 0


@pytest.mark.slow
def test_a_server_that_comes_back_older_than_the_log_is_refused_at_once(
    served, room, runner, server
):
    bench, database = served
    broker = bench.brokers["hospital"]
    broker.release(runner.ask(bench))
    request = ScriptedRunner(room=room, label="second").ask(bench)
    server.ask(database, "DELETE FROM counts; DELETE FROM releases; DELETE FROM statements")
    with pytest.raises(IntegrityError) as refused:
        broker.release(request)
    assert refused.value.code == "broker.rolled-back"


@pytest.mark.slow
def test_a_broker_moves_to_a_server_and_back_by_its_copies(served, room, server, tmp_path):
    bench, _ = served
    logged = bench.brokers["hospital"].release(ScriptedRunner(room=room).ask(bench))
    back_up(bench.home("hospital"), tmp_path / "copy")
    terms = {"party": "hospital", "leaves": (), "at": NOW}
    name_database(tmp_path / "moved", server.url(server.make()))
    restore(tmp_path / "copy", tmp_path / "moved", epoch="1" * 32, **terms)
    back_up(tmp_path / "moved", tmp_path / "second copy")
    restore(tmp_path / "second copy", make(tmp_path / "file"), epoch="2" * 32, **terms)
    for home in ("moved", "file"):
        state = BrokerState(tmp_path / home)
        with state.look() as standing:
            assert standing.statement(0).envelope == logged.statement
            assert standing.is_restored
            assert not standing.is_allowed
        state.close()
    with pytest.raises(RefusedError) as refused:
        restore(tmp_path / "copy", tmp_path / "moved", epoch="3" * 32, **terms)
    assert refused.value.code == "broker.home-taken"


@pytest.mark.slow
def test_somebody_elses_tables_are_left_alone(home, server):
    database = (home / "database.url").read_text("utf-8").rpartition("/")[0]
    database = database.partition("@/")[2].partition("?")[0]
    server.ask(database, "CREATE TABLE contracts (theirs text)")
    state = BrokerState(home)
    with pytest.raises(IntegrityError):
        state.begin(**BEGUN)
    state.close()
    assert server.ask(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [
        (1,)
    ]


@pytest.mark.slow
def test_the_revisions_lead_to_the_tables_on_a_server(server):
    engine = open_postgresql(parse_url(server.url(server.make())), Access.CONTROL)
    require_the_tables(engine)


def test_the_revisions_lead_to_the_tables_in_a_file(tmp_path):
    require_the_tables(open_database(tmp_path / "state.sqlite"))


def test_a_revision_of_nobody_is_refused(tmp_path):
    engine = open_database(tmp_path / "state.sqlite")
    with pytest.raises(MalformedError) as refused, engine.begin() as connection:
        migrate(connection, found="of somebody else")
    assert refused.value.code == "broker.schema"
    engine.dispose()


def require_the_tables(engine):
    """Take every step from nothing, and find what this version makes."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - loaded where it is used
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    steps = ScriptDirectory(REVISIONS, version_locations=[REVISIONS])
    assert steps.get_heads() == [schema.REVISION]
    with engine.begin() as connection:
        with EnvironmentContext(
            Config(),
            steps,
            fn=lambda found, _: steps._upgrade_revs("head", found),  # noqa: SLF001
        ) as environment:
            environment.configure(connection=connection)
            environment.run_migrations()
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == schema.REVISION
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()
