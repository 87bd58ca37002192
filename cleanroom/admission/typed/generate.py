# SPDX-License-Identifier: Apache-2.0
"""Generate the SQL of an admitted query: no byte of the analyst's text is in it.

Names come from the catalog and are quoted; every produced column has an opaque
name behind a per-run secret prefix, so no column can be taken for the unit's. Values
are typed literals or prepared parameters.
"""

from __future__ import annotations

import datetime as dt
import re

from cleanroom.admission.typed.expr import Expr, Ref
from cleanroom.admission.typed.sql_expressions import engine_type, literal, quote
from cleanroom.admission.typed.sql_relations import RelationWriter
from cleanroom.admission.typed.tree import AdmittedQuery, Argument, Output, Stage
from cleanroom.errors import MalformedError

_PREFIX = re.compile(r"[a-z][a-z0-9]{7,47}_")
_CALENDAR = (dt.date.min, dt.date.max)


def generate(stage: Stage, *, prefix: str) -> str:
    """Write the base SELECT of a stage.

    Its columns are ``<prefix>k0..`` group keys, ``<prefix>a0..`` arguments, ``<prefix>b0..``
    branches (never NULL) and ``<prefix>u0..`` units. It reads datasets, and the tables
    ``<prefix>released<stage>`` of earlier stages.

    Raises:
        MalformedError: The prefix is not a secret of the expected form.
    """
    writer = RelationWriter(_checked(prefix))
    source = writer.table(stage.base)
    outputs = [
        f"{_key(writer, key.expr, key.type)} AS {writer.name('k', number)}"
        for number, key in enumerate(stage.keys)
    ]
    outputs += [
        f"{_argument(writer, argument)} AS {writer.name('a', number)}"
        for number, argument in enumerate(stage.arguments)
    ]
    outputs += [
        f"{_branch(writer, branch)} AS {writer.name('b', number)}"
        for number, branch in enumerate(stage.branches)
    ]
    outputs += [
        f"{writer.expressions.write(unit.column)} AS {writer.name('u', number)}"
        for number, unit in enumerate(stage.units)
    ]
    return f"SELECT {', '.join(outputs) or '1'} FROM {source}"  # noqa: S608 - quoted names


def generate_post(admitted: AdmittedQuery, *, prefix: str) -> str:
    """Write the statement over released tables; its columns are in output order.

    Raises:
        MalformedError: The prefix is not a secret of the expected form.
    """
    writer = RelationWriter(_checked(prefix))
    source = writer.write(admitted.post.relation)
    listed = ", ".join(
        f"{_output(writer, item)} AS {quote(f'{prefix}o{number}')}"
        for number, item in enumerate(admitted.output)
    )
    # The order of the inner statement is kept: nothing outside it sorts or joins.
    return f"SELECT {listed} FROM ({source}) AS {quote(prefix + 'post')}"  # noqa: S608


def _checked(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix):
        raise MalformedError(
            "prefix: found another form, agreed 8 to 48 letters and digits and an underscore",
            code="admission.prefix",
        )
    return prefix


def _key(writer: RelationWriter, expr: Expr, kind: str) -> str:
    text = writer.expressions.write(expr)
    typed = text if isinstance(expr, Ref) else f"TRY_CAST({text} AS {engine_type(kind)})"
    return _written_alike(typed, kind)


def _written_alike(text: str, kind: str) -> str:
    """Leave out days that ISO 8601 writes with more than four digits, or as no day at all.

    Whoever reads the rows has no date for them. It would fail, and say that there is one, even
    in a group that is withheld.
    """
    if kind not in {"date", "timestamp"}:
        return text
    first, last = (literal(moment, kind) for moment in _CALENDAR)
    return f"CASE WHEN {text} BETWEEN {first} AND {last} THEN {text} END"


def _output(writer: RelationWriter, item: Output) -> str:
    text = f"TRY_CAST({writer.column(item.column)} AS {engine_type(item.type)})"
    return _written_alike(text, item.type)


def _argument(writer: RelationWriter, argument: Argument) -> str:
    if argument.is_number:
        return writer.expressions.measure(argument.expr, argument.grid)
    return writer.expressions.write(argument.expr)


def _branch(writer: RelationWriter, branch: Expr) -> str:
    # A condition that cannot be evaluated for a row does not hold for it.
    return f"coalesce({writer.expressions.write(branch)}, FALSE)"
