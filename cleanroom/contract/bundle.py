# SPDX-License-Identifier: Apache-2.0
"""Everything a verifier needs about one run, as one piece of bytes.

A bundle travels to every key broker, and each verifies all of it. It is
canonical JSON with the exact bytes of every document in base64; any other
spelling of the same bundle is refused, so a bundle has one digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from cleanroom.contract.types import CODE_FILE
from cleanroom.contract.wire import Lineage, Name
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.limits import (
    MAX_BUNDLE_BYTES,
    MAX_CODE_FILES,
    MAX_CONTRACT_DATASETS,
    MAX_PARTIES,
    MAX_REVOCATIONS,
    MIB,
)
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.bundle.v0"

# Between the agreement and the rest, which canonical JSON writes in the order of their names.
_SEAM = b',"approvals":'
_REMEMBERED = 16
_MAX_REMEMBERED_BYTES = MIB // 2  # of one agreement; a larger one is read each time

_In = TypeVar("_In")
_Out = TypeVar("_Out")


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


class FileWire(WireModel):
    """One document in base64, and armored signatures in base64 by party."""

    data: str
    signatures: Annotated[dict[Name, str], Field(max_length=2 * MAX_PARTIES)]


class AgreementWire(WireModel):
    """A contract and the documents that it names."""

    contract: FileWire
    parties: Annotated[dict[Name, FileWire], Field(max_length=MAX_PARTIES)]
    datasets: Annotated[dict[Lineage, FileWire], Field(max_length=MAX_CONTRACT_DATASETS)]
    policies: Annotated[dict[Lineage, FileWire], Field(max_length=MAX_CONTRACT_DATASETS)]


class _AgreementPart(WireModel):
    """The bundle up to the seam, closed."""

    agreement: AgreementWire


class _RunPart(WireModel):
    """The bundle after the seam, opened."""

    format: Literal["cleanroom.bundle.v0"]
    query: FileWire
    code: Annotated[
        dict[Annotated[str, Field(pattern=f"^{CODE_FILE}$")], str],
        Field(max_length=MAX_CODE_FILES),
    ]
    approvals: Annotated[dict[Name, FileWire], Field(max_length=MAX_PARTIES)]
    run: FileWire
    revocations: Annotated[list[FileWire], Field(max_length=MAX_REVOCATIONS)]


class BundleWire(_RunPart):
    """The whole bundle."""

    agreement: AgreementWire


def encode_bundle(bundle: RunBundle) -> bytes:
    """Write a bundle as canonical JSON."""
    return canonical_json(
        {
            "format": FORMAT,
            "agreement": contract_bundle_json(bundle.agreement),
            "query": _file_json(bundle.query),
            "code": {name: encode_base64(data) for name, data in bundle.code.items()},
            "approvals": _files_json(bundle.approvals),
            "run": _file_json(bundle.run),
            "revocations": [_file_json(file) for file in bundle.revocations],
        }
    )


def decode_bundle(data: bytes) -> RunBundle:
    """Read a bundle; nothing in it is verified yet.

    Raises:
        MalformedError: Not a bundle, over a limit, or spelled in another way.
    """
    # All runs under a contract show the same agreement. It is read once, whole; what is
    # left is read as ever. Whatever is not two canonical halves is told what is wrong below.
    head, seam, tail = data.partition(_SEAM)
    if seam and len(head) <= _MAX_REMEMBERED_BYTES and len(data) <= MAX_BUNDLE_BYTES:
        with suppress(MalformedError):
            return _joined(_agreement(head + b"}"), b"{" + seam[1:] + tail)
    value = parse_json(data, what="bundle", limit=MAX_BUNDLE_BYTES)
    wire = validate_shape(BundleWire, value, what="bundle")
    bundle = _bundle(_contract_bundle(wire.agreement), wire)
    _require_canonical(value, data)
    return bundle


@remembered(_REMEMBERED)
def _agreement(head: bytes) -> ContractBundle:
    value = parse_json(head, what="bundle", limit=MAX_BUNDLE_BYTES)
    wire = validate_shape(_AgreementPart, value, what="bundle")
    _require_canonical(value, head)
    return _contract_bundle(wire.agreement)


def _joined(agreement: ContractBundle, rest: bytes) -> RunBundle:
    value = parse_json(rest, what="bundle", limit=MAX_BUNDLE_BYTES)
    # Closed: a second agreement after the seam is refused here as a field too many.
    bundle = _bundle(agreement, validate_shape(_RunPart, value, what="bundle"))
    _require_canonical(value, rest)
    return bundle


def _bundle(agreement: ContractBundle, wire: _RunPart) -> RunBundle:
    return RunBundle(
        agreement=agreement,
        query=_file(wire.query, what="query"),
        code={
            name: decode_base64(text, what=f"bundle: code {name}")
            for name, text in wire.code.items()
        },
        approvals=_files(wire.approvals, what="approval"),
        run=_file(wire.run, what="run"),
        revocations=tuple(_file(file, what="revocation") for file in wire.revocations),
    )


def _require_canonical(value: JSONValue, data: bytes) -> None:
    # Base64 has one spelling here, so a bundle is spelled as the value that it was read from.
    if canonical_json(value) != data:
        raise MalformedError(
            "bundle: found another spelling, agreed canonical JSON (RFC 8785)",
            code="bundle.canonical",
            hint="send the bytes that encode_bundle wrote",
        )


def contract_bundle_json(bundle: ContractBundle) -> JSONValue:
    """Write a contract bundle as a value for canonical JSON."""
    return {
        "contract": _file_json(bundle.contract),
        "parties": _files_json(bundle.parties),
        "datasets": _files_json(bundle.datasets),
        "policies": _files_json(bundle.policies),
    }


def parse_contract_bundle(value: object, *, what: str = "contract bundle") -> ContractBundle:
    """Read a contract bundle from a JSON value; nothing in it is verified yet.

    Raises:
        MalformedError: Not a contract bundle, or over a limit.
    """
    return _contract_bundle(validate_shape(AgreementWire, value, what=what))


def _contract_bundle(wire: AgreementWire) -> ContractBundle:
    return ContractBundle(
        contract=_file(wire.contract, what="contract"),
        parties=_files(wire.parties, what="party"),
        datasets=_files(wire.datasets, what="dataset"),
        policies=_files(wire.policies, what="policy"),
    )


def _file_json(file: SignedFile) -> JSONValue:
    return {
        "data": encode_base64(file.data),
        "signatures": _mapped(file.signatures, encode_base64),
    }


def _files_json(files: Mapping[str, SignedFile]) -> JSONValue:
    return _mapped(files, _file_json)


def _file(wire: FileWire, *, what: str) -> SignedFile:
    what = f"bundle: {what}"
    return SignedFile(
        data=decode_base64(wire.data, what=what),
        signatures=_mapped(
            wire.signatures, lambda text: decode_base64(text, what=f"{what}: signature")
        ),
    )


def _files(wires: Mapping[str, FileWire], *, what: str) -> Mapping[str, SignedFile]:
    return {name: _file(wire, what=f"{what} {name}") for name, wire in wires.items()}


def _mapped(values: Mapping[str, _In], convert: Callable[[_In], _Out]) -> dict[str, _Out]:
    return {key: convert(value) for key, value in values.items()}
