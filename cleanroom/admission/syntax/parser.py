# SPDX-License-Identifier: Apache-2.0
"""Parse query text once, with the engine's own parser, within bounds.

A second parser would read some text differently from the engine, and the gap is
where attacks live. The engine's tree is only read here, never executed; what
is wrong with a text is said in our own words, because the engine quotes it.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from cleanroom.admission.refusal import START, Locator, Place, refuse
from cleanroom.errors import UnavailableError
from cleanroom.kernel.limits import MAX_CODE_BYTES

if TYPE_CHECKING:
    import _duckdb as duckdb

ENGINE_VERSION = "2.0.0"  # the shape of its tree is pinned by tests/unit/admission/golden
MAX_OPEN_BRACKETS = 64
MAX_WITH_WORDS = 4
MAX_TREE_DEPTH = 240  # about 80 operators, each inside the next

_SERIALIZE = (
    "SELECT json_serialize_sql($1::VARCHAR, "
    "skip_null := false, skip_empty := false, skip_default := false)"
)
_FORBIDDEN_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f"
    "\u205f-\u2069\u3000\ufeff\ufff9-\ufffb]"
)
_WITH = re.compile(r"\bwith\b", re.IGNORECASE)
_SELECT_ONLY = "write one SELECT statement over the contract's datasets"


def parse(sql: bytes) -> tuple[Any, Locator]:
    """Parse one SELECT statement into the engine's tree.

    Returns:
        The statement (unchecked) and a locator for its offsets.

    Raises:
        QueryRefusedError: Oversize, not plain text, too deep, or not one SELECT.
        UnavailableError: The engine is not the version whose tree is known.
    """
    _require_bounded(sql)
    text = _decode(sql)
    serialized = serialize(text)
    try:
        tree = json.loads(serialized)
    except RecursionError:
        tree = None
    if tree is None:
        refuse("nesting", "the query nests too deeply", fix="write a flat query")
    _require_shallow(tree)
    locator = Locator(sql)
    return _only_statement(tree, locator), locator


def require_known_engine(version: str) -> None:
    """Refuse an engine whose syntax tree has no golden test.

    Raises:
        UnavailableError: Another version is installed.
    """
    if version != ENGINE_VERSION:
        raise UnavailableError(
            f"engine: found duckdb {version}, agreed {ENGINE_VERSION}",
            code="admission.engine-version",
            hint=f"install duckdb=={ENGINE_VERSION}",
        )


def serialize(text: str) -> str:
    """Ask the engine's parser for its tree as JSON.

    Raises:
        QueryRefusedError: The parser itself gave up.
        UnavailableError: The engine is not the version whose tree is known.
    """
    import _duckdb as duckdb  # noqa: PLC0415 - the engine is heavy, and most commands never parse SQL

    require_known_engine(duckdb.__version__)
    row: tuple[str] | None = None
    with _parser_connection().cursor() as cursor:
        try:
            row = cursor.execute(_SERIALIZE, [text]).fetchone()
        except duckdb.Error:
            row = None
    # Outside the handler: the engine's error quotes the text and must not be chained.
    if row is None:
        refuse("syntax", "the query cannot be parsed", fix=_SELECT_ONLY)
    return row[0]


def load_parser() -> None:
    """Load the engine, so that the first query does not wait for it."""
    _parser_connection()


@functools.cache
def _parser_connection() -> duckdb.DuckDBPyConnection:
    """Open the one connection that parses; opening costs 30 times what parsing does.

    It holds no data and runs no statement but the serialisation, so sharing it is harmless. The
    second reading and the bound plan open the same name with the same settings, and so
    share the instance behind it; an engine refuses a name that is open with others.
    """
    import _duckdb as duckdb  # noqa: PLC0415 - the engine is heavy, and most commands never parse SQL

    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "enable_external_access": False,
        "python_enable_replacements": False,
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "lock_configuration": True,
    }
    return duckdb.connect(":memory:readers", config=settings)


def _require_bounded(sql: bytes) -> None:
    if len(sql) > MAX_CODE_BYTES:
        refuse(
            "size",
            f"the query is longer than {MAX_CODE_BYTES} bytes",
            fix="write a shorter query",
        )
    opened = deepest = 0
    for byte in sql:
        opened += (byte in b"([{") - (byte in b")]}")
        deepest = max(deepest, opened)
    if deepest > MAX_OPEN_BRACKETS:
        refuse(
            "nesting",
            f"more than {MAX_OPEN_BRACKETS} open brackets",
            fix="write a flat query",
        )


def _require_shallow(tree: Any) -> None:  # noqa: ANN401 - the engine's JSON
    """Refuse a tree that lowering, which is recursive, could not finish.

    Chains such as ``a + b + c`` need no bracket and nest as deep as they are long.
    """
    level = [tree]
    for _ in range(MAX_TREE_DEPTH):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        level = below
        if not level:
            return
    refuse(
        "nesting",
        f"expressions nested in more than {MAX_TREE_DEPTH} levels of the engine's tree",
        fix="write a flatter query, or split long chains into columns of a subquery",
    )


def _decode(sql: bytes) -> str:
    try:
        text = sql.decode("utf-8")
    except UnicodeDecodeError as error:
        place = Locator(sql).place(error.start)
        refuse("encoding", "the query is not UTF-8", fix="save the file as UTF-8", place=place)
    odd = _FORBIDDEN_CHARACTERS.search(text)
    if odd:
        # Such a character shows a reviewer another text than the parser reads.
        refuse(
            "encoding",
            f"the character U+{ord(odd[0]):04X}",
            fix="use plain spaces and printable characters",
            place=Locator(sql).place(len(text[: odd.start()].encode())),
        )
    if len(_WITH.findall(text)) > MAX_WITH_WORDS:
        # The engine's parser takes time exponential in nested unfinished WITH clauses:
        # 8 of them in 88 bytes took 5 seconds, 12 did not end.
        refuse("nesting", f"more than {MAX_WITH_WORDS} times WITH", fix="write a flat query")
    return text


def _only_statement(tree: Any, locator: Locator) -> Any:  # noqa: ANN401 - the engine's JSON
    if tree.get("error") is not False:
        refuse(
            "syntax",
            "the text is not a SELECT statement that parses",
            fix=_SELECT_ONLY,
            place=_stumbled(tree.get("position"), locator),
        )
    statements = tree.get("statements", [])
    if len(statements) != 1:
        refuse("statements", f"{len(statements)} statements", fix=_SELECT_ONLY)
    return statements[0]


def _stumbled(position: object, locator: Locator) -> Place:
    """Say where the engine's parser gave up; it writes the byte as text, or nothing."""
    known = isinstance(position, str) and position.isascii() and position.isdigit()
    return locator.place(int(str(position))) if known else START
