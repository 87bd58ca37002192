# SPDX-License-Identifier: Apache-2.0
"""Put together what the query child is told: the statement, its inputs, its keys.

The child gets the data keys of this query's datasets and the declared columns of
each, and the salts of this run's fingerprints; nothing of the run's own keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cleanroom.admission.typed.tree import Post, Stage
from cleanroom.bound_plan.check import CheckedStatement
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.dataset import Dataset
from cleanroom.contract.resources import MAX_RESULT_ROWS
from cleanroom.contract.state_chain import owner_set_id
from cleanroom.contract.types import ParameterType
from cleanroom.disclosure.statistics_sql import MAX_GROUPS, salt_parameter
from cleanroom.errors import KeyRefusedError
from cleanroom.runner.child_job import (
    NO_SPILL,
    Bindable,
    ChildJob,
    ChildPart,
    ChildTable,
    ChildView,
    bindable,
)
from cleanroom.runner.compute import engine_threads
from cleanroom.runner.declared_facts import declared_facts
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.inputs import QueryInputs

_SALT_LABEL = b"cleanroom.fingerprint-salt.v0"
_SALT_BYTES = 32
# Rows of the statement, which cuts itself off; a few for each group and kind of unit.
MAX_STATISTICS = 16 * (MAX_GROUPS + 1)


def query_job(
    checked: CheckedStatement,
    *,
    stage: Stage,
    approved: ApprovedRun,
    grants: Mapping[str, KeyGrant],
    inputs: QueryInputs,
    tables: tuple[ChildTable, ...],
    prefix: str,
) -> ChildJob:
    """Describe the statement of one stage to the child that runs it."""
    resources = approved.resources
    # Public data has no units: its statement binds no salt, and the engine takes no other one.
    salts = [unit_salt(unit.owner, unit.namespace, grants) for unit in stage.units]
    return ChildJob(
        sql=checked.sql,
        facts=declared_facts(dict(stage.columns), approved.agreement.policies),
        parameters={
            **bound_values(approved, stage.parameters),
            **{salt_parameter(prefix, unit): salt for unit, salt in enumerate(salts)},
        },
        views=views_of(stage.columns, approved=approved, grants=grants, inputs=inputs),
        tables=tables,
        memory_mib=resources.memory_mib,
        seconds=resources.seconds,
        rows=MAX_STATISTICS,
        threads=engine_threads(),
        spill=inputs.spill,
        spill_bytes=inputs.spill_bytes,
    )


def post_job(
    sql: str,
    *,
    post: Post,
    approved: ApprovedRun,
    tables: tuple[ChildTable, ...],
) -> ChildJob:
    """Describe the statement over released tables to a child that has no key."""
    resources = approved.resources
    return ChildJob(
        sql=sql,
        facts=(),
        parameters=bound_values(approved, post.parameters),
        views=(),
        tables=tables,
        memory_mib=resources.memory_mib,
        seconds=resources.seconds,
        rows=MAX_RESULT_ROWS,
        threads=1,  # sums of doubles do not depend on who added first
        spill=NO_SPILL,
        spill_bytes=0,
    )


def bound_values(approved: ApprovedRun, names: Iterable[str]) -> dict[str, Bindable]:
    """Give values of the run the types that their parameters declare."""
    declared = approved.query.parameters
    return {
        name: bindable(approved.parameters[name], is_date=declared[name].type is ParameterType.DATE)
        for name in names
    }


def unit_salt(owner: str, namespace: str, grants: Mapping[str, KeyGrant]) -> str:
    """Derive the salt of one owner's units from that owner's own share.

    It is the same in every run, or earlier fingerprints could not be compared. It is
    secret to the owner, or a party could make up an identifier whose fingerprint
    collides with a victim's and hide a difference of one (T-13).

    Raises:
        KeyRefusedError: The owner's broker gave no share for that.
    """
    share = grants[owner].shares.get(owner_set_id([owner]))
    if share is None:
        raise KeyRefusedError(
            f"disclosure state: the share of {owner} for its own units is missing",
            code="state.share-missing",
            hint=f"the broker of {owner} is of another version; upgrade it",
        )
    info = _SALT_LABEL + b"\0" + namespace.encode()
    derived = HKDF(algorithm=SHA256(), length=_SALT_BYTES, salt=None, info=info)
    return derived.derive(share).hex()


def views_of(
    columns: Iterable[tuple[str, tuple[str, ...]]],
    *,
    approved: ApprovedRun,
    grants: Mapping[str, KeyGrant],
    inputs: QueryInputs,
) -> tuple[ChildView, ...]:
    """Describe some columns of datasets, with the keys that open them."""
    return tuple(
        _view(
            approved.agreement.datasets[lineage],
            columns=names,
            key=grants[lineage.partition(".")[0]].keys[lineage],
            descriptors=inputs.parts[lineage],
        )
        for lineage, names in columns
    )


def _view(
    dataset: Dataset, *, columns: tuple[str, ...], key: bytes, descriptors: tuple[int, ...]
) -> ChildView:
    return ChildView(
        lineage=dataset.lineage,
        version=dataset.version,
        key_id=dataset.key_id,
        columns=columns,
        key=key,
        parts=tuple(
            ChildPart(
                descriptor=descriptor,
                name=f"{dataset.lineage} {part.file}",
                part=number,
                file_id=part.file_id,
                size=part.size,
            )
            for number, (part, descriptor) in enumerate(
                zip(dataset.parts, descriptors, strict=True)
            )
        ),
    )
