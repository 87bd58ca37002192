# SPDX-License-Identifier: Apache-2.0
"""Write the vectors of NVIDIA devices: each single thing that can be wrong, below our own roots.

Run ``python -m tests.vectors.attestation.nvidia.generate`` after a change of the format.
OCSP answers are not among them: the library that makes them signs with fresh randomness.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cleanroom.attestation.binding import Channel, bind32
from cleanroom.kernel.clock import format_time
from tests.support.evidence_vectors import evidence_body
from tests.support.nvidia_forge import (
    C14N,
    DRIVER,
    DRIVER_VALUES,
    chain_pem,
    device_chain,
    driver_rim,
    make_item,
    make_manifest,
    make_report,
    manifest_body,
    measurement,
    opaque,
    rim_chain,
    vbios_rim,
)
from tests.support.test_pki import AT
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
BINDING = bytes(range(64))
NONCE = bind32(Channel.GPU, BINDING)
TRUST = {"roots": {"device": str(device_chain()[-1].pin), "manifest": str(rim_chain()[-1].pin)}}
RIMS = {"driver_rim": driver_rim(), "vbios_rim": vbios_rim()}
GOOD = make_report(nonce=NONCE)
BODY = manifest_body(DRIVER_VALUES, version=DRIVER)
MALFORMED, INTEGRITY, REFUSED = "MalformedError", "IntegrityError", "EvidenceRefusedError"


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made: dict[str, Vector] = {}
    for source in (_good, _reports, _chains, _bindings, _firmware, _manifests, _signatures):
        for name, vector in source():
            assert name not in made, name
            made[name] = vector
    return made


def _vector(
    expect: str,
    comment: str,
    *,
    kind: str = "nvidia-gpu",
    report: bytes = GOOD,
    at: str = format_time(AT),
    binding: bytes = BINDING,
    **collateral: bytes,
) -> Vector:
    item = make_item(kind, report=report, **collateral)
    more: dict[str, Any] = {"debug": False} if expect == "success" else {}
    return Vector(
        expect=expect,
        comment=comment,
        body=evidence_body(item, trust=TRUST, binding=binding, at=at, **more),
    )


def _device(chip: str, **changes: Any) -> dict[str, bytes]:
    chain = device_chain(chip, **changes)
    return {"report": make_report(chain, nonce=NONCE), "chain": chain_pem(chain)}


def _good() -> Iterator[tuple[str, Vector]]:
    yield "good", _vector("success", "a Hopper GPU, both manifests agree", **RIMS)
    yield "good-no-manifest", _vector("success", "genuine, firmware not compared")
    yield (
        "good-blackwell",
        _vector(
            "success",
            "FWID in DiceTcbInfo, critical",
            **_device("GB100", oid="2.23.133.5.4.1.1", critical=True),
        ),
    )
    yield (
        "good-switch",
        _vector("success", "an LS10 switch", kind="nvidia-switch", **_device("LS_10")),
    )
    yield "good-padded", _vector("success", "one byte behind the signature", report=GOOD + b"\xff")
    old = make_report(nonce=NONCE, fields=opaque(f20=None))
    yield "good-no-firmware-id", _vector("success", "a driver that reports no FWID", report=old)


def _reports() -> Iterator[tuple[str, Vector]]:
    for name, data, code in (
        ("empty", b"", "nvidia.truncated"),
        ("truncated", GOOD[:-1], "nvidia.truncated"),
        ("trailing", GOOD + bytes(2), "nvidia.trailing"),
        ("version", b"\x12" + GOOD[1:], "nvidia.version"),
        ("unsigned-request", GOOD[:2] + b"\0" + GOOD[3:], "nvidia.request"),
        ("one-measurement", GOOD[:3] + b"\1" + GOOD[4:], "nvidia.request"),
        ("index-twice", GOOD[:45] + b"\2" + GOOD[46:], "nvidia.measurement"),
        ("two-modes", make_report(nonce=NONCE, fields=opaque(f21=b"\xaa")), "nvidia.mode"),
    ):
        yield f"report-{name}", _vector(f"{MALFORMED} {code}", f"report: {name}", report=data)
    for name, at in (("nonce", 5), ("measurement", 60), ("opaque", len(GOOD) - 97)):
        changed = GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]
        yield (
            f"report-{name}-changed",
            _vector(f"{INTEGRITY} attestation.signature", f"{name} flipped", report=changed),
        )
    yield (
        "report-signature-zero",
        _vector(
            f"{INTEGRITY} attestation.signature", "r and s zero", report=GOOD[:-96] + bytes(96)
        ),
    )
    yield (
        "collateral-missing",
        _without("chain", _vector(f"{MALFORMED} nvidia.collateral", "no chain")),
    )
    yield (
        "collateral-unknown",
        _vector(f"{MALFORMED} nvidia.collateral", "nobody asked for it", crl=b""),
    )


def _without(name: str, vector: Vector) -> Vector:
    body = dict(vector.body)
    body["collateral"] = {key: item for key, item in body["collateral"].items() if key != name}
    return Vector(expect=vector.expect, comment=vector.comment, body=body)


def _chains() -> Iterator[tuple[str, Vector]]:
    own = device_chain(root="own root")
    report = make_report(own, nonce=NONCE)
    yield (
        "chain-own-root",
        _vector(
            f"{INTEGRITY} digest.mismatch",
            "whole chain made up",
            report=report,
            chain=chain_pem(own),
        ),
    )
    mixed = chain_pem((*own[:-1], device_chain()[-1]))
    yield (
        "chain-pinned-root-behind-own",
        _vector(
            f"{INTEGRITY} attestation.certificate-signature",
            "the pinned root behind a made-up chain",
            report=report,
            chain=mixed,
        ),
    )
    above = device_chain()[1:]
    yield (
        "chain-authority-as-leaf",
        _vector(
            f"{INTEGRITY} attestation.certificate-usage",
            "a report signed by the boot ROM's key",
            report=make_report(above, nonce=NONCE),
            chain=chain_pem(above),
        ),
    )
    yield (
        "chain-other-device",
        _vector(
            f"{INTEGRITY} attestation.signature",
            "another device's chain",
            chain=chain_pem(device_chain("GH200")),
        ),
    )
    for name, at in (("before", "2025-12-31T23:59:59Z"), ("after", "2046-01-01T00:00:01Z")):
        yield (
            f"chain-{name}",
            _vector(f"{REFUSED} attestation.certificate-time", f"judged {name} its time", at=at),
        )
    yield (
        "kind-switch-as-gpu",
        _vector(f"{REFUSED} nvidia.kind", "a switch that says it is a GPU", **_device("LS_10")),
    )
    yield (
        "kind-gpu-as-switch",
        _vector(f"{REFUSED} nvidia.kind", "a GPU that says it is a switch", kind="nvidia-switch"),
    )
    yield (
        "kind-other-product",
        _vector(f"{REFUSED} nvidia.chip", "a network card below the same root", **_device("CX7")),
    )


def _bindings() -> Iterator[tuple[str, Vector]]:
    code = f"{REFUSED} attestation.binding"
    other = bytes(64)
    yield "binding-replayed", _vector(code, "evidence of another run", binding=other)
    for name, nonce in (
        ("tpm-channel", bind32(Channel.TPM, BINDING)),
        ("unlabelled", BINDING[:32]),
        ("zero", bytes(32)),
    ):
        yield (
            f"binding-{name}",
            _vector(code, f"signed over another nonce: {name}", report=make_report(nonce=nonce)),
        )


def _firmware() -> Iterator[tuple[str, Vector]]:
    report = make_report(nonce=NONCE, fields=opaque(f20=bytes(48)))
    yield (
        "firmware-id-other",
        _vector(f"{INTEGRITY} nvidia.firmware-id", "FWID of other firmware", report=report),
    )
    chain = device_chain(oid="1.2.3.4", value=b"\x05\x00")
    yield (
        "firmware-id-uncertified",
        _vector(
            f"{MALFORMED} nvidia.firmware-id",
            "a certificate without FWID",
            report=make_report(chain, nonce=NONCE),
            chain=chain_pem(chain),
        ),
    )
    values = {index: measurement(index) for index in range(1, 9)}
    code = f"{REFUSED} nvidia.measurement"
    for name, changed in (
        ("other", values | {4: bytes(48)}),
        ("prefix", values | {4: measurement(4)[:47]}),
        ("left-out", {index: value for index, value in values.items() if index != 4}),
    ):
        report = make_report(nonce=NONCE, measurements=changed)
        yield f"measurement-{name}", _vector(code, f"measurement 4: {name}", report=report, **RIMS)
    decoding = make_report(nonce=NONCE, fields=opaque(f11=b"\xaa"))
    yield (
        "measurement-decoder",
        _vector(code, "decoder on, not as published", report=decoding, **RIMS),
    )


def _manifests() -> Iterator[tuple[str, Vector]]:
    code = f"{REFUSED} nvidia.manifest-version"
    for name, document in (
        ("version", driver_rim("570.01.03")),
        ("product", driver_rim(product="GB100")),
        ("swapped", vbios_rim()),
    ):
        yield f"manifest-{name}", _vector(code, f"genuine, another {name}", driver_rim=document)
    overlap = manifest_body(DRIVER_VALUES | {0: [measurement(1)]}, version=DRIVER)
    yield (
        "manifest-overlap",
        _vector(
            f"{REFUSED} nvidia.manifest-overlap",
            "both speak of one measurement",
            driver_rim=make_manifest(overlap),
            vbios_rim=vbios_rim(),
        ),
    )
    for name, body in (
        ("none-active", manifest_body({}, version=DRIVER)),
        ("index-twice", (BODY[0].replace('index="4"', 'index="3"'), BODY[1])),
    ):
        yield (
            f"manifest-{name}",
            _vector(f"{MALFORMED} nvidia.manifest", name, driver_rim=make_manifest(body)),
        )
    yield (
        "manifest-own-root",
        _vector(
            f"{INTEGRITY} digest.mismatch",
            "signed below another root",
            driver_rim=make_manifest(BODY, rim_chain("own rim root")),
        ),
    )


def _signatures() -> Iterator[tuple[str, Vector]]:
    good = driver_rim().decode()
    signature = good[good.index("<ds:Signature ") : good.index("</SoftwareIdentity>")]
    value = good.index("<ds:SignatureValue>") + 19
    for name, document, expect in (
        ("content", good.replace(DRIVER, "570.01.03"), f"{INTEGRITY} nvidia.manifest-digest"),
        (
            "value",
            good[:value] + ("B" if good[value] == "A" else "A") + good[value + 1 :],
            f"{INTEGRITY} attestation.signature",
        ),
        ("none", good.replace(signature, ""), f"{MALFORMED} nvidia.manifest"),
        ("twice", good.replace(signature, signature * 2), f"{MALFORMED} nvidia.manifest"),
        ("wrapped", f"<wrapper>{good}</wrapper>", f"{MALFORMED} nvidia.manifest"),
        ("doctype", f"<!DOCTYPE x>{good}", f"{MALFORMED} xml.malformed"),
        (
            "entity",
            '<!DOCTYPE x [<!ENTITY a "b">]>' + good.replace("GH100", "&a;", 1),
            f"{MALFORMED} xml.malformed",
        ),
        (
            "comment",
            good.replace("<Payload>", "<Payload><!-- -->"),
            f"{MALFORMED} xml.malformed",
        ),
    ):
        yield (
            f"signature-{name}",
            _vector(expect, f"manifest signature: {name}", driver_rim=document.encode()),
        )
    for name, old, new in (
        ("exclusive-c14n", C14N, "http://www.w3.org/2001/10/xml-exc-c14n#"),
        ("fragment", 'URI=""', 'URI="#payload"'),
        ("hmac", "xmldsig-more#ecdsa-sha384", "xmldsig-more#hmac-sha384"),
    ):
        yield (
            f"signature-{name}",
            _vector(
                f"{MALFORMED} nvidia.manifest",
                f"genuinely signed, with {name}",
                driver_rim=make_manifest(BODY, info=[(old, new)]),
            ),
        )


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
