# SPDX-License-Identifier: Apache-2.0
"""Every piece of bytes in a bundle, and how to put other bytes in its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cleanroom.contract.bundle import RunBundle
from cleanroom.envelope.signed_file import SignedFile


def with_file(bundle: RunBundle, place: str, file: SignedFile, *, name: str = "") -> RunBundle:
    """Replace one file of a bundle, or add it.

    Args:
        bundle: The bundle; it stays as it is.
        place: ``contract``, ``parties``, ``policies``, ``datasets``, ``query``,
            ``approvals``, ``run`` or ``revocations``.
        file: The other file.
        name: Party, lineage, or number of a revocation from 0.
    """
    if place in {"query", "run"}:
        return dataclasses.replace(bundle, **{place: file})
    if place == "approvals":
        return dataclasses.replace(bundle, approvals={**bundle.approvals, name: file})
    if place == "revocations":
        others = list(bundle.revocations)
        others[int(name) : int(name) + 1] = [file]
        return dataclasses.replace(bundle, revocations=tuple(others))
    agreed = bundle.agreement
    changed = file if place == "contract" else {**getattr(agreed, place), name: file}
    return dataclasses.replace(bundle, agreement=dataclasses.replace(agreed, **{place: changed}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One piece of bytes in a bundle, and how to put other bytes in its place.

    Attributes:
        what: The name under which a refusal must speak of it.
        data: The valid bytes.
        replaced: Returns the bundle with other bytes here.
    """

    what: str
    data: bytes
    replaced: Callable[[bytes], RunBundle]


def slots(bundle: RunBundle) -> tuple[Slot, ...]:
    """List every document, every signature and every file of code of a bundle."""
    agreed = bundle.agreement
    return (
        *_file_slots(bundle, "contract", "", agreed.contract, what="contract.toml"),
        *_map_slots(bundle, "parties", agreed.parties, what="parties/{}.toml"),
        *_map_slots(bundle, "policies", agreed.policies, what="datasets/{}/policy.toml"),
        *_map_slots(bundle, "datasets", agreed.datasets, what="datasets/{}/dataset.toml"),
        *_file_slots(bundle, "query", "", bundle.query, what="query.toml"),
        *_map_slots(bundle, "approvals", bundle.approvals, what="approvals/{}.toml"),
        *_file_slots(bundle, "run", "", bundle.run, what="run.toml"),
        *(
            slot
            for index, file in enumerate(bundle.revocations)
            for slot in _file_slots(
                bundle, "revocations", str(index), file, what=f"revocation {index + 1}"
            )
        ),
        *(
            Slot(
                what=f"code {name}",
                data=data,
                replaced=lambda other, name=name: dataclasses.replace(
                    bundle, code={**bundle.code, name: other}
                ),
            )
            for name, data in bundle.code.items()
        ),
    )


def _map_slots(
    bundle: RunBundle, place: str, files: Mapping[str, SignedFile], *, what: str
) -> list[Slot]:
    return [
        slot
        for name, file in files.items()
        for slot in _file_slots(bundle, place, name, file, what=what.format(name))
    ]


def _file_slots(
    bundle: RunBundle, place: str, name: str, file: SignedFile, *, what: str
) -> list[Slot]:
    def put(changed: SignedFile) -> RunBundle:
        return with_file(bundle, place, changed, name=name)

    def put_signature(party: str) -> Callable[[bytes], RunBundle]:
        return lambda other: put(
            dataclasses.replace(file, signatures={**file.signatures, party: other})
        )

    return [
        Slot(
            what=what,
            data=file.data,
            replaced=lambda other: put(dataclasses.replace(file, data=other)),
        ),
        *(
            Slot(what=f"{what}: signature of {party}", data=armored, replaced=put_signature(party))
            for party, armored in file.signatures.items()
        ),
    ]
