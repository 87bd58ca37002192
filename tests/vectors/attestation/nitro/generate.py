# SPDX-License-Identifier: Apache-2.0
"""Write the vectors of Nitro documents: each single thing that can be wrong, below our own root.

Run ``python -m tests.vectors.attestation.nitro.generate`` after a change of the format.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2

from cleanroom.kernel.clock import format_time
from tests.support.evidence_vectors import evidence_body
from tests.support.nitro_forge import (
    PCRS,
    USER_DATA,
    make_document,
    make_instance_document,
    make_instance_item,
    make_item,
    members,
    nitro_chain,
    open_payload,
    sign_document,
)
from tests.support.test_pki import AT
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
TRUST = {"roots": {"root": str(nitro_chain()[-1].pin)}}
GOOD = make_document()
MALFORMED, INTEGRITY, REFUSED = "MalformedError", "IntegrityError", "EvidenceRefusedError"


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made: dict[str, Vector] = {"good": _vector("success", "an enclave that is not in debug mode")}
    for source in (
        _debug,
        _open,
        _envelopes,
        _members,
        _chains,
        _times,
        _bindings,
        _instances,
    ):
        for name, vector in source():
            assert name not in made, name
            made[name] = vector
    return made


def _vector(
    expect: str,
    comment: str,
    document: bytes = GOOD,
    *,
    at: str = format_time(AT),
    binding: bytes = USER_DATA,
    debug: bool = False,
    **collateral: bytes,
) -> Vector:
    item = make_item(document, **collateral)
    more: dict[str, Any] = {"debug": debug} if expect == "success" else {}
    return Vector(
        expect=expect,
        comment=comment,
        body=evidence_body(item, trust=TRUST, binding=binding, at=at, **more),
    )


def _open() -> Iterator[tuple[str, Vector]]:
    document = sign_document(open_payload(members()))
    yield (
        "good-open-payload",
        _vector("success", "members without a count, as since 2025", document),
    )
    zero = sign_document(open_payload(members(pcrs=PCRS | dict.fromkeys(range(3), bytes(48)))))
    yield "debug-open-payload", _vector("success", "genuine and in debug mode", zero, debug=True)


def _debug() -> Iterator[tuple[str, Vector]]:
    zero = dict.fromkeys(range(3), bytes(48))
    for name, pcrs in (
        ("all", PCRS | zero),
        ("one", PCRS | {1: bytes(48)}),
        ("missing", {index: value for index, value in PCRS.items() if index}),
    ):
        document = make_document(pcrs=pcrs)
        yield (
            f"debug-{name}",
            _vector("success", f"genuine and in debug mode: {name}", document, debug=True),
        )


def _envelopes() -> Iterator[tuple[str, Vector]]:
    parts = cbor2.loads(GOOD)
    indefinite = b"\x9f" + GOOD[1:] + b"\xff"
    opened = open_payload(members())
    twice = opened[:-1] + cbor2.dumps("nonce") + cbor2.dumps(b"other") + b"\xff"
    closed = cbor2.dumps(PCRS)
    nested = opened.replace(closed, b"\xbf" + closed[1:] + b"\xff")
    for name, document, code in (
        ("empty", b"", "cbor.malformed"),
        ("truncated", GOOD[:-1], "cbor.malformed"),
        ("trailing", GOOD + b"\0", "cbor.malformed"),
        ("indefinite", indefinite, "cbor.malformed"),
        ("tagged", cbor2.dumps(cbor2.CBORTag(18, parts)), "cbor.malformed"),
        ("open-payload-without-end", sign_document(opened[:-1]), "cbor.malformed"),
        ("open-payload-twice", sign_document(twice), "cbor.malformed"),
        ("open-registers", sign_document(nested), "cbor.malformed"),
        (
            "es256",
            sign_document(members(), protected=cbor2.dumps({1: -7})),
            "nitro.malformed",
        ),
        (
            "no-algorithm",
            sign_document(members(), protected=b"\xa0"),
            "nitro.malformed",
        ),
        ("key-in-header", sign_document(members(), unprotected={4: b"x"}), "nitro.malformed"),
        ("three-parts", cbor2.dumps(parts[:3]), "nitro.malformed"),
        ("short-signature", cbor2.dumps([*parts[:3], parts[3][:-1]]), "nitro.malformed"),
    ):
        yield f"envelope-{name}", _vector(f"{MALFORMED} {code}", f"envelope: {name}", document)
    yield (
        "collateral-root",
        _vector(f"{MALFORMED} nitro.collateral", "a root beside the document", root=b"root"),
    )


def _members() -> Iterator[tuple[str, Vector]]:
    payload = cbor2.dumps(members())
    twice = bytes([payload[0] + 1]) + payload[1:] + cbor2.dumps("user_data") + cbor2.dumps(b"")
    yield (
        "member-twice",
        _vector(f"{MALFORMED} cbor.malformed", "user_data twice", sign_document(twice)),
    )
    for name, change in (
        ("unknown", {"extra": 1}),
        ("missing", {"pcrs": "-"}),
        ("digest", {"digest": "SHA256"}),
        ("short-pcr", {"pcrs": PCRS | {0: bytes(32)}}),
        ("text-user-data", {"user_data": "text"}),
    ):
        yield (
            f"member-{name}",
            _vector(f"{MALFORMED} nitro.malformed", f"member: {name}", make_document(**change)),
        )


def _chains() -> Iterator[tuple[str, Vector]]:
    own = nitro_chain("own root")
    for name, document, expect in (
        ("own-root", make_document(own), f"{INTEGRITY} digest.mismatch"),
        (
            "pinned-root-behind-own",
            make_document((*own[:-1], nitro_chain()[-1])),
            f"{INTEGRITY} attestation.certificate-signature",
        ),
        (
            "reversed",
            make_document(cabundle=[item.der for item in nitro_chain()[1:]]),
            f"{INTEGRITY} digest.mismatch",
        ),
        (
            "authority-as-leaf",
            make_document(nitro_chain()[1:]),
            f"{INTEGRITY} attestation.certificate-usage",
        ),
        (
            "other-key",
            sign_document(members(), own),
            f"{INTEGRITY} attestation.signature",
        ),
    ):
        yield f"chain-{name}", _vector(expect, f"chain: {name}", document)
    changed = GOOD.replace(USER_DATA, bytes(64))
    yield (
        "signature-user-data",
        _vector(f"{INTEGRITY} attestation.signature", "user_data changed", changed),
    )


def _times() -> Iterator[tuple[str, Vector]]:
    for name, at in (("before", "2025-12-31T23:59:59Z"), ("after", "2046-01-01T00:00:01Z")):
        yield (
            f"time-{name}",
            _vector(f"{REFUSED} attestation.certificate-time", f"judged {name} its time", at=at),
        )
    early = format_time(AT - dt.timedelta(hours=1))
    yield "time-from-the-future", _vector(f"{REFUSED} nitro.time", "not made yet", at=early)


def _bindings() -> Iterator[tuple[str, Vector]]:
    code = f"{REFUSED} attestation.binding"
    yield "binding-replayed", _vector(code, "a document of another run", binding=bytes(64))
    for name, data in (
        ("half", USER_DATA[:32]),
        ("swapped", USER_DATA[32:] + USER_DATA[:32]),
        ("longer", USER_DATA + b"\0"),
        ("absent", None),
    ):
        document = make_document(user_data=data)
        yield f"binding-{name}", _vector(code, f"user_data: {name}", document)
    nonce = make_document(user_data=None, nonce=USER_DATA)
    yield "binding-in-nonce", _vector(code, "the binding in another place", nonce)


def _instances() -> Iterator[tuple[str, Vector]]:
    good = make_instance_item()
    replayed = f"{REFUSED} attestation.binding"
    for name, expect, item, binding in (
        ("good", "success", good, USER_DATA),
        ("as-enclave", f"{REFUSED} nitro.registers", make_item(good.report), USER_DATA),
        ("of-enclave", f"{REFUSED} nitro.registers", make_instance_item(GOOD), USER_DATA),
        ("replayed", replayed, good, bytes(64)),
    ):
        more: dict[str, Any] = {"debug": False} if expect == "success" else {}
        at = format_time(AT)
        yield (
            f"tpm-{name}",
            Vector(
                expect=expect,
                comment=f"a machine with NitroTPM: {name}",
                body=evidence_body(item, trust=TRUST, binding=binding, at=at, **more),
            ),
        )
    both = make_document(nitrotpm_pcrs=PCRS)
    yield "tpm-both", _vector(f"{MALFORMED} nitro.malformed", "two sets of registers", both)
    own = make_instance_item(make_instance_document(nitro_chain("own root")))
    body = evidence_body(own, trust=TRUST, binding=USER_DATA, at=format_time(AT))
    expect = f"{INTEGRITY} digest.mismatch"
    yield "tpm-own-root", Vector(expect=expect, comment="a root of one's own", body=body)


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
