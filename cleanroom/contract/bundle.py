# SPDX-License-Identifier: Apache-2.0
"""Everything a verifier needs about one run, as one piece of bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cleanroom.envelope.signed_file import SignedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractBundle:
    """A contract and the documents that it names.

    Attributes:
        contract: ``contract.toml`` and its signatures.
        parties: Party documents by name.
        datasets: Dataset documents by lineage; those not sealed yet are absent.
        policies: Policies by lineage.
    """

    contract: SignedFile
    parties: Mapping[str, SignedFile]
    datasets: Mapping[str, SignedFile]
    policies: Mapping[str, SignedFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBundle:
    """A contract bundle and everything about one run under it.

    Attributes:
        agreement: The contract and the documents that it names.
        query: ``query.toml`` and its author's signature.
        code: Code files by name.
        approvals: Approvals by approver.
        run: ``run.toml`` and its submitter's signature.
        revocations: Whatever parties took back, as far as the room shows it.
    """

    agreement: ContractBundle
    query: SignedFile
    code: Mapping[str, bytes]
    approvals: Mapping[str, SignedFile]
    run: SignedFile
    revocations: tuple[SignedFile, ...]


def encode_bundle(bundle: RunBundle) -> bytes:
    """Write a bundle as canonical JSON."""
    raise NotImplementedError


def decode_bundle(data: bytes) -> RunBundle:
    """Read a bundle.

    Raises:
        MalformedError: Not a bundle, over a limit, or not canonical.
    """
    raise NotImplementedError
