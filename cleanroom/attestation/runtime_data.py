# SPDX-License-Identifier: Apache-2.0
"""What a runner binds into its evidence: the run, its keys, and the nonces.

One owner's nonce makes evidence fresh for that owner only, so it carries one
from every owner's broker. The exact bytes are kept: the binding is a digest
over them, and re-encoding could change what was attested.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cleanroom.attestation.binding import LABEL
from cleanroom.attestation.fields import (
    base64url_field,
    closed_object,
    constant_field,
    encode_base64url,
    text_field,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_PARTIES, MAX_RUNTIME_DATA_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json

VERSION = LABEL.decode("ascii")
SIGN_ALGORITHM = "EdDSA"
SIGN_KEY_BYTES = 32
HPKE_KEM = "MLKEM768_X25519"
HPKE_KEY_BYTES = 1216
NONCE_BYTES = 32
MAX_GPUS = 64

_PARTY = re.compile(r"[a-z][a-z0-9-]{0,31}")
_RUN = re.compile(r"[a-z0-9][a-z0-9-]{7,63}")
_SERIAL = re.compile(r"[0-9a-f]{1,64}")
_DIGESTS = ("contract", "query", "run_request", "runner")
_MEMBERS = ("v", *_DIGESTS, "run", "sign", "hpke", "gpus", "nonces")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuIdentity:
    """One GPU, named by the certificate of its attestation key.

    Attributes:
        leaf_serial: Serial number of the leaf certificate, lower-case hexadecimal.
        spki_sha256: Digest of its public key.
    """

    leaf_serial: str
    spki_sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeData:
    """What evidence is bound to; see ``docs/protocol/runtime-data.md``.

    Attributes:
        raw: The exact RFC 8785 bytes.
        digest: Their SHA-256.
        contract: Digest of the contract that the run obeys.
        query: Digest of the query document.
        run_request: Digest of the signed run request.
        run: Run id.
        runner: Digest of the runner; counts only where a platform measured it.
        sign_key: Ed25519 public key that signs this run's receipt.
        hpke_key: X-Wing public key that data keys are sealed to.
        gpus: GPUs that take part, in a fixed order.
        nonces: Owner to the nonce of that owner's broker.
    """

    raw: bytes
    digest: Digest
    contract: Digest
    query: Digest
    run_request: Digest
    run: str
    runner: Digest
    sign_key: bytes
    hpke_key: bytes
    gpus: tuple[GpuIdentity, ...]
    nonces: Mapping[str, bytes]


def make_runtime_data(
    *,
    contract: Digest,
    query: Digest,
    run_request: Digest,
    run: str,
    runner: Digest,
    sign_key: bytes,
    hpke_key: bytes,
    gpus: Sequence[GpuIdentity],
    nonces: Mapping[str, bytes],
) -> RuntimeData:
    """Write runtime data and read it back, so that both sides hold the same checks.

    Raises:
        MalformedError: A value that a verifier would refuse.
    """
    document: dict[str, JSONValue] = {
        "v": VERSION,
        "contract": str(contract),
        "query": str(query),
        "run_request": str(run_request),
        "run": run,
        "runner": str(runner),
        "sign": {"alg": SIGN_ALGORITHM, "pub": encode_base64url(sign_key)},
        "hpke": {"kem": HPKE_KEM, "pub": encode_base64url(hpke_key)},
        "gpus": [
            {"leaf_serial": gpu.leaf_serial, "spki_sha256": str(gpu.spki_sha256)} for gpu in gpus
        ],
        "nonces": {party: encode_base64url(nonce) for party, nonce in nonces.items()},
    }
    return parse_runtime_data(canonical_json(document))


def parse_runtime_data(raw: bytes) -> RuntimeData:
    """Read runtime data from its exact bytes.

    Raises:
        MalformedError: Not canonical, not closed, or a value out of form.
    """
    value = parse_json(raw, what="runtime data", limit=MAX_RUNTIME_DATA_BYTES)
    members = closed_object(value, members=_MEMBERS, what="runtime data")
    constant_field(members["v"], expected=VERSION, what="runtime data version")
    if canonical_json(value) != raw:
        raise MalformedError(
            "runtime data: not in canonical form (RFC 8785)", code="attestation.not-canonical"
        )
    digests = {name: Digest.parse(members[name], what=f"runtime data {name}") for name in _DIGESTS}
    return RuntimeData(
        raw=raw,
        digest=Digest.of(raw),
        run=text_field(members["run"], pattern=_RUN, what="runtime data run"),
        sign_key=_key(members["sign"], kind=("sign", "alg", SIGN_ALGORITHM), size=SIGN_KEY_BYTES),
        hpke_key=_key(members["hpke"], kind=("hpke", "kem", HPKE_KEM), size=HPKE_KEY_BYTES),
        gpus=_gpus(members["gpus"]),
        nonces=_nonces(members["nonces"]),
        **digests,
    )


def _key(value: object, *, kind: tuple[str, str, str], size: int) -> bytes:
    name, member, algorithm = kind
    what = f"runtime data {name}"
    members = closed_object(value, members=(member, "pub"), what=what)
    constant_field(members[member], expected=algorithm, what=f"{what} {member}")
    return _sized(members["pub"], size=size, what=f"{what} key")


def _sized(value: object, *, size: int, what: str) -> bytes:
    data = base64url_field(value, what=what)
    if len(data) != size:
        raise MalformedError(
            f"{what}: found {len(data)} bytes against {size}", code="attestation.length"
        )
    return data


def _gpus(value: object) -> tuple[GpuIdentity, ...]:
    if not isinstance(value, list) or len(value) > MAX_GPUS:
        raise MalformedError(
            f"runtime data gpus: not a list of at most {MAX_GPUS}", code="attestation.type"
        )
    gpus = tuple(_gpu(item) for item in value)
    # One GPU named twice would look like two that answered.
    if len(set(gpus)) != len(gpus):
        raise MalformedError("runtime data gpus: the same GPU twice", code="attestation.duplicate")
    return gpus


def _gpu(value: Any) -> GpuIdentity:  # noqa: ANN401 - any JSON value
    members = closed_object(value, members=("leaf_serial", "spki_sha256"), what="runtime data gpu")
    return GpuIdentity(
        leaf_serial=text_field(
            members["leaf_serial"], pattern=_SERIAL, what="runtime data gpu serial"
        ),
        spki_sha256=Digest.parse(members["spki_sha256"], what="runtime data gpu key"),
    )


def _nonces(value: object) -> dict[str, bytes]:
    if not isinstance(value, Mapping) or not 1 <= len(value) <= MAX_PARTIES:
        raise MalformedError(
            f"runtime data nonces: not an object of 1 to {MAX_PARTIES} parties",
            code="attestation.type",
        )
    return {
        text_field(party, pattern=_PARTY, what="runtime data nonce owner"): _sized(
            nonce, size=NONCE_BYTES, what="runtime data nonce"
        )
        for party, nonce in value.items()
    }
