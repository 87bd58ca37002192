# SPDX-License-Identifier: Apache-2.0
"""What a broker asks its memory, each question made once; values come when it is asked.

Making a statement costs four times what asking it does, and a release asks some thirty.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cleanroom.keybroker import schema

_ASKED = "asked"


def _count(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table).where(*where)


def _is(column: sa.Column[Any], name: str = _ASKED) -> sa.ColumnElement[bool]:
    return column == sa.bindparam(name)


def _last(position: sa.Column[int], *where: sa.ColumnElement[bool]) -> sa.Select[int]:
    return sa.select(position).where(*where).order_by(position.desc()).limit(1)


_allowances, _commits, _contracts, _counts = (
    schema.allowances.c,
    schema.commits.c,
    schema.contracts.c,
    schema.counts.c,
)
_history, _releases, _withdrawals = schema.history.c, schema.releases.c, schema.withdrawals.c

LIFE = sa.select(schema.epoch).order_by(schema.epoch.c.number.desc()).limit(1)
ALLOWANCES_OF = _count(schema.allowances, _is(_allowances.epoch))
ALLOWANCE = _count(schema.allowances, _is(_allowances.digest))
MOST = sa.select(schema.budgets.c.most).where(_is(schema.budgets.c.subject))

# Numbers have no gaps, so the last one tells how many there are without counting them.
LAST_STATEMENT = sa.select(sa.func.max(schema.statements.c.number))
LEAF = sa.select(schema.statements.c.leaf).where(_is(schema.statements.c.number))
LEAVES = (
    sa.select(schema.statements.c.leaf)
    .where(
        schema.statements.c.number >= sa.bindparam("start"),
        schema.statements.c.number < sa.bindparam("stop"),
    )
    .order_by(schema.statements.c.number)
)
ENVELOPE = sa.select(schema.statements.c.envelope).where(_is(schema.statements.c.number))

NONCE = sa.select(schema.nonces).where(_is(schema.nonces.c.nonce))
NONCES = _count(schema.nonces)
NONCES_USED = _count(schema.releases, _is(_releases.nonce))
RELEASE = sa.select(schema.releases).where(
    _is(_releases.run, "run"), _is(_releases.runtime_data, "runtime_data")
)
TOUCHED = sa.select(schema.touched.c.lineages)
TOUCHED_BEFORE = _count(schema.touched, _is(schema.touched.c.lineages))
# Positions have no gaps, so the last one tells how many there are: a decision takes as long
# after a hundred thousand releases as after none.
USES = _last(_releases.position, _is(_releases.contract))
RELEASES = _last(
    _counts.position, _is(_counts.lineage, "lineage"), _is(_counts.receiver, "receiver")
)
# Times of one form sort as text. Nobody has to know of more than are allowed.
USES_SINCE = sa.select(sa.func.count()).select_from(
    sa.select(_releases.released_at)
    .where(_is(_releases.contract), _releases.released_at > sa.bindparam("since"))
    .limit(sa.bindparam("most", type_=sa.Integer))
    .subquery()
)

COMMIT = sa.select(schema.commits).where(_is(_commits.run))
COMMITS = sa.select(_commits.statement).order_by(_commits.statement)
ACKNOWLEDGEMENT = sa.select(schema.acknowledgements.c.statement).where(
    _is(schema.acknowledgements.c.document)
)

CONTRACT = sa.select(schema.contracts).where(_is(_contracts.digest))
CONTRACTS = sa.select(schema.contracts).order_by(_contracts.digest)
PREDECESSOR = sa.select(_contracts.predecessor).where(_is(_contracts.digest))
SUCCESSORS = (
    sa.select(_contracts.digest).where(_is(_contracts.predecessor)).order_by(_contracts.digest)
)

STOPS = sa.select(schema.stops)
QUOTA = sa.select(schema.quotas.c.per_day).where(_is(schema.quotas.c.contract))

WITHDRAWN = _count(schema.withdrawals, _is(_withdrawals.digest))
WITHDRAWALS_OF = _count(schema.withdrawals, _is(_withdrawals.party))
OF_KIND = sa.select(schema.withdrawals).where(_is(_withdrawals.kind, "kind"))
REVOCATIONS = OF_KIND.order_by(_withdrawals.digest)
REJECTIONS = OF_KIND.where(
    _is(_withdrawals.contract, "contract"), _is(_withdrawals.query, "query")
).order_by(_withdrawals.sequence)

HEAD = sa.select(schema.heads.c.head).where(_is(schema.heads.c.lineage))
HEADS = sa.select(schema.heads).order_by(schema.heads.c.lineage)
HISTORY = sa.select(schema.history).where(_is(_history.lineage)).order_by(_history.position)
STEPS = _count(schema.history, _is(_history.lineage))
ENTRY = sa.select(schema.entries.c.data).where(_is(schema.entries.c.digest))
ENTRIES = _count(schema.entries, _is(schema.entries.c.digest))

USE_UP_NONCE = sa.delete(schema.nonces).where(_is(schema.nonces.c.nonce))
SWEEP_NONCES = sa.delete(schema.nonces).where(schema.nonces.c.expires < sa.bindparam(_ASKED))
LEAVE_HEAD = sa.delete(schema.heads).where(_is(schema.heads.c.lineage))
