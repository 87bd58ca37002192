# SPDX-License-Identifier: Apache-2.0
"""Write the TPM vectors: one good machine, and each single thing that can be wrong.

Run ``python -m tests.vectors.attestation_tpm.generate`` after a change of the format.
A released vector never changes; a new format version gets new ones. Keys, roots and
logs are those of the test authorities; a body holds everything that a verifier needs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.binding import Channel, bind32
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.facts import NoRuntimeLog, RuntimeEvent
from cleanroom.attestation.platforms.tpm.report import parse_report
from cleanroom.attestation.runtime_log import events_of
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from tests.support.test_pki import AT, NOT_AFTER, NOT_BEFORE, issue, make_root
from tests.support.tpm_evidence import (
    BINDING,
    EVENT_LOG,
    EVENTS,
    IMA_LOG,
    ROOT,
    RUNTIME,
    SELECTION,
    certificates,
    collected,
    with_events,
    with_items,
    with_report,
)
from tests.support.tpm_forge import (
    AK,
    AK_ATTRIBUTES,
    RSA_AK,
    ForgedKey,
    ForgedQuote,
    ecc_private,
    public_area,
    selection,
)
from tests.support.tpm_logs import Entry, header, ima_entry
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
with tempfile.TemporaryDirectory() as directory:
    GOOD = collected(Path(directory) / "machine", certified=True)
REPORT = parse_report(GOOD.report)
QUOTE = ForgedQuote(
    extra_data=bind32(Channel.TPM, BINDING),
    selections=(selection(pcrs=tuple(sorted(SELECTION.pcrs))),),
    values=REPORT.values,
)
UNRESTRICTED = ForgedKey(attributes=AK_ATTRIBUTES & ~(1 << 16))
MALFORMED, INTEGRITY, REFUSED = "MalformedError", "IntegrityError", "EvidenceRefusedError"


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made: dict[str, Vector] = {}
    for source in (_good, _quotes, _signatures, _keys, _values, _runtime, _logs, _chains, _forms):
        for name, vector in source():
            assert name not in made, name
            made[name] = vector
    return made


def _vector(expect: str, comment: str, item: EvidenceItem, **changes: Any) -> Vector:
    body = {
        "evidence": Evidence.of(item).to_json(),
        "binding": BINDING.hex(),
        "roots": [str(ROOT.pin)],
        "at": format_time(AT),
    }
    return Vector(expect=expect, comment=comment, body=body | changes)


def _requoted(*, signer: ForgedKey = AK, **changes: Any) -> EvidenceItem:
    quote = QUOTE.but(hash=signer.hash, **changes)
    return with_report(
        GOOD,
        quote=quote.encode(),
        signature=signer.sign(quote.encode()),
        key=signer.public,
        values=quote.values,
    )


def _bare(item: EvidenceItem) -> EvidenceItem:
    return with_items(item, **{"ak-certificates": None})


def _good() -> Iterator[tuple[str, Vector]]:
    yield "good", _vector("success", "certified key, both logs", GOOD)
    yield "good-unproven", _vector("success", "a key that nobody certified", _bare(GOOD))
    yield "good-rsa", _vector("success", "RSASSA with SHA-256", _bare(_requoted(signer=RSA_AK)))
    no_logs = with_items(GOOD, **{"event-log": None, "ima-log": None})
    yield "good-without-logs", _vector("success", "neither firmware nor IMA log", no_logs)
    stranger = with_report(GOOD, runtime=NoRuntimeLog())
    yield "good-without-runtime-log", _vector("success", "a stranger's report", stranger)
    bare = AK.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield "good-bare-key", _vector("success", "no attributes shown", with_report(GOOD, key=bare))


def _quotes() -> Iterator[tuple[str, Vector]]:
    for name, expect, changes in (
        ("magic", f"{MALFORMED} tpm.magic", {"magic": b"\xffTCH"}),
        ("type-certify", f"{MALFORMED} tpm.type", {"tag": b"\x80\x17"}),
        ("trailing", f"{MALFORMED} tpm.trailing", {"trailing": b"\0"}),
        ("boolean", f"{MALFORMED} tpm.boolean", {"safe": b"\2"}),
        ("long-nonce", f"{MALFORMED} tpm.oversize", {"extra_data": bytes(67)}),
        ("sha1-bank", f"{MALFORMED} tpm.hash", {"selections": (selection(bank=4),)}),
        (
            "register-24",
            f"{MALFORMED} tpm.register",
            {"selections": (b"\x00\x0b\x04\x00\x00\x00\x01",)},
        ),
        ("no-selection", f"{REFUSED} tpm.selection", {"selections": ()}),
        ("two-banks", f"{REFUSED} tpm.selection", {"selections": (selection(), selection(0x0C))}),
        (
            "register-16-for-14",
            f"{MALFORMED} tpm.values",
            {"selections": (selection(pcrs=(*range(11), 16)),)},
        ),
        ("wrong-digest", f"{INTEGRITY} tpm.pcr-digest", {"pcr_digest": bytes(32)}),
        ("no-nonce", f"{REFUSED} attestation.binding", {"extra_data": b""}),
        ("half-nonce", f"{REFUSED} attestation.binding", {"extra_data": QUOTE.extra_data[:16]}),
        (
            "other-channel",
            f"{REFUSED} attestation.binding",
            {"extra_data": bind32(Channel.GPU, BINDING)},
        ),
        (
            "other-run",
            f"{REFUSED} attestation.binding",
            {"extra_data": bind32(Channel.TPM, bytes(64))},
        ),
        ("whole-binding", f"{REFUSED} attestation.binding", {"extra_data": BINDING}),
    ):
        yield f"quote-{name}", _vector(expect, f"quote: {name}", _requoted(**changes))
    cut = with_report(GOOD, quote=REPORT.quote[:-1])
    yield "quote-truncated", _vector(f"{MALFORMED} tpm.truncated", "one byte short", cut)


def _signatures() -> Iterator[tuple[str, Vector]]:
    signature = bytearray(REPORT.signature)
    signature[-1] ^= 1
    flipped = with_report(GOOD, signature=bytes(signature))
    yield "signature-flipped", _vector(f"{INTEGRITY} tpm.signature", "one bit", flipped)
    changed = with_report(
        GOOD, quote=REPORT.quote.replace(b"\x00\x00\x03\xe8", b"\x00\x00\x03\xe9")
    )
    yield "signature-other-quote", _vector(f"{INTEGRITY} tpm.signature", "clock changed", changed)
    other = with_report(GOOD, signature=RSA_AK.sign(REPORT.quote))
    yield "signature-scheme", _vector(f"{REFUSED} tpm.signature-scheme", "RSASSA for ECDSA", other)
    hmac = with_report(GOOD, signature=b"\x00\x05" + REPORT.signature[2:])
    yield "signature-hmac", _vector(f"{MALFORMED} tpm.scheme", "HMAC", hmac)


def _keys() -> Iterator[tuple[str, Vector]]:
    attributes = f"{REFUSED} tpm.key-attributes"
    yield "key-unrestricted", _vector(attributes, "signs anything", _requoted(signer=UNRESTRICTED))
    for bit, name in ((1, "fixed-tpm"), (4, "fixed-parent"), (5, "made-outside")):
        signer = ForgedKey(attributes=AK_ATTRIBUTES & ~(1 << bit))
        yield f"key-{name}", _vector(attributes, f"without {name}", _requoted(signer=signer))
    decrypting = ForgedKey(attributes=AK_ATTRIBUTES | 1 << 17)
    yield "key-decrypts", _vector(attributes, "also decrypts", _requoted(signer=decrypting))
    open_scheme = with_report(GOOD, key=public_area(AK.private.public_key()))
    yield "key-open-scheme", _vector(attributes, "scheme left to the caller", open_scheme)
    own = with_report(GOOD, key=ForgedKey(private=ecc_private(5)).public)
    yield "key-other", _vector(f"{INTEGRITY} tpm.signature", "another key shown", own)


def _values() -> Iterator[tuple[str, Vector]]:
    values = dict(REPORT.values)
    missing = {index: value for index, value in values.items() if index != 4}
    for name, found in (
        ("missing", missing),
        ("one-more", {**values, 15: bytes(32)}),
        ("short", {**values, 4: values[4][:-1]}),
    ):
        item = with_report(GOOD, values=found)
        yield f"values-{name}", _vector(f"{MALFORMED} tpm.values", f"values: {name}", item)
    swapped = with_report(GOOD, values={**values, 4: values[9], 9: values[4]})
    yield "values-swapped", _vector(f"{INTEGRITY} tpm.pcr-digest", "two swapped", swapped)


def _runtime() -> Iterator[tuple[str, Vector]]:
    expect = f"{INTEGRITY} attestation.runtime-log"
    foreign = Digest.of(b"another contract")
    other = events_of(runner=RUNTIME.runner, contract=foreign, query=RUNTIME.query)
    renamed = (EVENTS[0], RuntimeEvent(name="query", digest=EVENTS[1].digest), EVENTS[2])
    for name, events, register in (
        ("empty", (), 14),
        ("left-out", EVENTS[:2], 14),
        ("reordered", (EVENTS[1], EVENTS[0], EVENTS[2]), 14),
        ("one-more", (*EVENTS, EVENTS[2]), 14),
        ("other-contract", other, 14),
        ("renamed", renamed, 14),
        ("other-register", EVENTS, 9),
        ("unquoted-register", EVENTS, 15),
    ):
        yield (
            f"runtime-{name}",
            _vector(expect, f"log: {name}", with_events(GOOD, events, register)),
        )


def _logs() -> Iterator[tuple[str, Vector]]:
    replay, form = f"{INTEGRITY} tpm.replay", f"{MALFORMED} tpm.event-log"
    more = Entry(register=4, data=b"one more").encode()
    for name, expect, log in (
        ("one-more", replay, EVENT_LOG + more),
        ("into-runtime-register", replay, EVENT_LOG + Entry(register=14, data=b"x").encode()),
        ("none", replay, header()),
        ("old-format", form, header(signature=b"Spec ID Event02\0")),
        ("sha1-only", f"{MALFORMED} tpm.hash", header(banks={4: 20})),
        ("truncated", f"{MALFORMED} tpm.truncated", EVENT_LOG[:-1]),
    ):
        item = with_items(GOOD, **{"event-log": log})
        yield f"event-log-{name}", _vector(expect, f"firmware log: {name}", item)
    for name, expect, log in (
        ("one-more", replay, IMA_LOG + ima_entry(b"/x", b"y")),
        ("empty", replay, b""),
        ("register", f"{MALFORMED} tpm.register", ima_entry(b"/x", b"y", register=11)),
        ("template", f"{MALFORMED} tpm.ima", ima_entry(b"/x", b"y", template="ima")),
        ("truncated", f"{MALFORMED} tpm.truncated", IMA_LOG[:-1]),
    ):
        item = with_items(GOOD, **{"ima-log": log})
        yield f"ima-log-{name}", _vector(expect, f"IMA log: {name}", item)


def _chains() -> Iterator[tuple[str, Vector]]:
    foreign = make_root("a root of nobody")
    leaf = issue("attestation key", issuer=foreign, key=AK.private)
    no_ca = certificates(AK.private, issuer=issue("no authority", issuer=ROOT))
    for name, expect, chain in (
        ("own-root", f"{INTEGRITY} tpm.root", leaf.pem + foreign.pem),
        ("root-alone", f"{REFUSED} tpm.chain", ROOT.pem),
        ("other-key", f"{INTEGRITY} tpm.certificate", certificates(RSA_AK.private)),
        ("no-authority", f"{REFUSED} attestation.certificate-authority", no_ca),
        (
            "other-issuer",
            f"{INTEGRITY} attestation.certificate-signature",
            leaf.pem + ROOT.pem,
        ),
        ("none", f"{MALFORMED} attestation.certificate-count", b"no certificate"),
    ):
        item = with_items(GOOD, **{"ak-certificates": chain})
        yield f"chain-{name}", _vector(expect, f"certificates: {name}", item)
    late = f"{REFUSED} attestation.certificate-time"
    for name, at in (
        ("too-early", NOT_BEFORE.replace(year=2025)),
        ("too-late", NOT_AFTER.replace(year=2047)),
    ):
        yield f"chain-{name}", _vector(late, f"judged {name}", GOOD, at=format_time(at))
    unpinned = _vector(f"{INTEGRITY} tpm.root", "no root is believed", GOOD, roots=[])
    yield "chain-nobody-pinned", unpinned


def _forms() -> Iterator[tuple[str, Vector]]:
    for name, code, old, new in (
        ("version", "attestation.version", b"cleanroom.tpm.v0", b"cleanroom.tpm.v1"),
        ("missing", "attestation.missing-key", b'"quote"', b'"qoute"'),
        ("spaces", "tpm.canonical", b'{"format"', b'{ "format"'),
        ("register-name", "tpm.values", b'"values":{"0"', b'"values":{"00"'),
    ):
        item = EvidenceItem(
            platform="tpm", report=GOOD.report.replace(old, new), collateral=GOOD.collateral
        )
        yield f"form-{name}", _vector(f"{MALFORMED} {code}", f"report: {name}", item)
    unknown = with_items(GOOD, **{"ek-certificate": b"x"})
    yield "form-collateral", _vector(f"{MALFORMED} tpm.collateral", "an unknown item", unknown)


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
