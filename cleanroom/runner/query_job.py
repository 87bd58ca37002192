# SPDX-License-Identifier: Apache-2.0
"""Put together what the query child is told: the statement, its inputs, its keys.

The child gets the data keys of this query's datasets and the declared columns of
each, and the salts of this run's fingerprints; nothing of the run's own keys.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cleanroom.admission.tree import AdmittedQuery, UnitColumn
from cleanroom.bound_plan.check import CheckedStatement
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.dataset import Dataset
from cleanroom.contract.state_chain import owner_set_id, owners_of
from cleanroom.contract.types import ParameterType
from cleanroom.disclosure.statistics_sql import MAX_GROUPS, salt_parameter
from cleanroom.errors import KeyRefusedError
from cleanroom.runner.child_job import Bindable, ChildJob, ChildPart, ChildView, bindable
from cleanroom.runner.compute import engine_threads
from cleanroom.runner.declared_facts import declared_facts
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.inputs import QueryInputs

_SALT_LABEL = b"cleanroom.fingerprint-salt.v0"
_SALT_BYTES = 32
# Rows of the statement, which cuts itself off; one for each group and kind of unit.
MAX_STATISTICS = 16 * (MAX_GROUPS + 1)
PUBLIC_SALT = "public"  # public data has no units, and nothing of its fingerprints is kept


def query_job(
    checked: CheckedStatement,
    *,
    admitted: AdmittedQuery,
    approved: ApprovedRun,
    grants: Mapping[str, KeyGrant],
    inputs: QueryInputs,
    prefix: str,
) -> ChildJob:
    """Describe one statement to the child that runs it."""
    resources = approved.query.resources
    salts = [_salt(unit, grants) for unit in admitted.units] or [PUBLIC_SALT]
    return ChildJob(
        sql=checked.sql,
        facts=declared_facts(approved.query.datasets, approved.agreement.policies),
        parameters={
            **_bound_values(approved, admitted),
            **{salt_parameter(prefix, unit): salt for unit, salt in enumerate(salts)},
        },
        views=tuple(
            _view(
                approved.agreement.datasets[lineage],
                columns=columns,
                key=grants[lineage.partition(".")[0]].keys[lineage],
                descriptors=inputs.parts[lineage],
            )
            for lineage, columns in admitted.columns
        ),
        memory_mib=resources.memory_mib,
        seconds=resources.seconds,
        rows=MAX_STATISTICS,
        threads=engine_threads(),
        spill=inputs.spill,
        spill_bytes=inputs.spill_bytes,
    )


def _bound_values(approved: ApprovedRun, admitted: AdmittedQuery) -> dict[str, Bindable]:
    declared = approved.query.parameters
    return {
        name: bindable(approved.parameters[name], is_date=declared[name].type is ParameterType.DATE)
        for name in admitted.parameters
    }


def _salt(unit: UnitColumn, grants: Mapping[str, KeyGrant]) -> str:
    """Derive the salt of one owner's units from that owner's own share.

    It is the same in every run, or earlier fingerprints could not be compared. It is
    secret to the owner, or a party could make up an identifier whose fingerprint
    collides with a victim's and hide a difference of one (T-13).
    """
    (owner,) = owners_of(unit.datasets)
    share = grants[owner].shares.get(owner_set_id([owner]))
    if share is None:
        raise KeyRefusedError(
            f"disclosure state: the share of {owner} for its own units is missing",
            code="state.share-missing",
            hint=f"the broker of {owner} is of another version; upgrade it",
        )
    info = _SALT_LABEL + b"\0" + unit.namespace.encode()
    derived = HKDF(algorithm=SHA256(), length=_SALT_BYTES, salt=None, info=info)
    return derived.derive(share).hex()


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
