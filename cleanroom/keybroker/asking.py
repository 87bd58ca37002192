# SPDX-License-Identifier: Apache-2.0
"""Ask a broker's database, and nothing around it.

A release asks some thirty questions. Each took SQLAlchemy ten times what the database
needed, so questions are written in its words once, turned into the database's own, and
handed to the driver of the connection that SQLAlchemy opened, inside its transaction.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, SimpleNamespace
from typing import Any

import sqlalchemy as sa

from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.database import damaged

Asked = Mapping[str, object]
NOTHING: Asked = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A question in the words of one database.

    Attributes:
        sql: Its text.
        order: Names of its values in the order of their places; None if places have names.
        names: Columns of an answer.
        constants: Values that the question itself holds.
    """

    sql: str
    order: tuple[str, ...] | None
    names: tuple[str, ...]
    constants: Asked

    def given(self, asked: Asked) -> list[object] | Asked:
        """Lay out the values as the driver takes them: SQLite's by place, PostgreSQL's by name."""
        values = {**self.constants, **asked} if self.constants else asked
        return values if self.order is None else [values[name] for name in self.order]


def _words(sql: str) -> _Form:
    return _Form(sql=sql, order=(), names=(), constants=NOTHING)


_BEGIN = _words("SAVEPOINT part")
_UNDO = _words("ROLLBACK TO SAVEPOINT part")
_END = _words("RELEASE SAVEPOINT part")


def rows(connection: sa.Connection, question: sa.Select[Any], asked: Asked = NOTHING) -> list[Any]:
    """Return every row of the answer, columns by name.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refuses.
    """
    form = _form(question, _dialect(connection))
    return [
        SimpleNamespace(**dict(zip(form.names, row, strict=True)))
        for row in _told(connection, form, asked)
    ]


def row(connection: sa.Connection, question: sa.Select[Any], asked: Asked = NOTHING) -> Any | None:  # noqa: ANN401
    """Return the first row of the answer; ``None`` if there is none.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refuses.
    """
    found = rows(connection, question, asked)
    return found[0] if found else None


def value(connection: sa.Connection, question: sa.Select[Any], asked: Asked = NOTHING) -> Any:  # noqa: ANN401
    """Return the first column of the first row; ``None`` if there is no row.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refuses.
    """
    found = _told(connection, _form(question, _dialect(connection)), asked)
    return found[0][0] if found else None


def required(connection: sa.Connection, question: sa.Select[Any], asked: Asked = NOTHING) -> Any:  # noqa: ANN401
    """Return the first column of a row that must be there.

    Raises:
        IntegrityError: It is not.
        sqlalchemy.exc.DBAPIError: The database refuses.
    """
    found = value(connection, question, asked)
    if found is None:
        raise damaged()
    return found


def change(connection: sa.Connection, statement: sa.Delete, asked: Asked) -> None:
    """Change what is there.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refuses.
    """
    _told(connection, _form(statement, _dialect(connection)), asked)


def add(connection: sa.Connection, table: sa.Table, values: Asked) -> None:
    """Add a row.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refuses.
    """
    _told(connection, _addition(table, tuple(values), _dialect(connection)), values)


@contextmanager
def part(connection: sa.Connection) -> Iterator[None]:
    """Undo what the block changed, and nothing else, if it raises.

    Raises:
        sqlalchemy.exc.DBAPIError: The database refuses.
    """
    _say(connection, _BEGIN)
    try:
        yield
    except BaseException:
        _say(connection, _UNDO)
        _say(connection, _END)
        raise
    _say(connection, _END)


def _say(connection: sa.Connection, form: _Form) -> None:
    _told(connection, form, NOTHING)


def _told(connection: sa.Connection, form: _Form, asked: Asked) -> Sequence[Sequence[Any]]:
    # Some thirty times a release: no generator, and no more of SQLAlchemy than its connection.
    dialect = connection.dialect
    driver: Any = dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    try:
        cursor.execute(form.sql, form.given(asked))
        # A statement that changes something describes no columns, and has no rows to fetch.
        found: Sequence[Sequence[Any]] = cursor.fetchall() if cursor.description else ()
    except driver.Error as error:
        # In the words in which every other error of the database comes; values stay out.
        raise sa.exc.DBAPIError.instance(
            form.sql, None, error, driver.Error, hide_parameters=True, dialect=dialect
        ) from error
    finally:
        cursor.close()
    return found


def _dialect(connection: sa.Connection) -> Any:  # noqa: ANN401 - a class, and so a name for a form
    return type(connection.dialect)


@functools.cache
def _form(question: sa.Select[Any] | sa.Delete, dialect: Any) -> _Form:  # noqa: ANN401 - as above
    # Questions are constants of a module, so there are as many forms as questions.
    names = tuple(question.selected_columns.keys()) if isinstance(question, sa.Select) else ()
    return _written(question.compile(dialect=dialect()), names=names)


@functools.cache
def _addition(table: sa.Table, columns: tuple[str, ...], dialect: Any) -> _Form:  # noqa: ANN401
    compiled = sa.insert(table).compile(dialect=dialect(), column_keys=list(columns))
    return _written(compiled, names=())


def _written(compiled: Any, *, names: tuple[str, ...]) -> _Form:  # noqa: ANN401 - no public type
    return _Form(
        sql=str(compiled),
        order=tuple(compiled.positiontup) if compiled.positional else None,
        names=names,
        constants={name: held for name, held in compiled.params.items() if held is not None},
    )
