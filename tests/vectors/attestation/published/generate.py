# SPDX-License-Identifier: Apache-2.0
"""Write the vectors of signed reference values: Microsoft's and NVIDIA's forms, our own roots.

Neither is evidence of any machine: nothing in them answers a nonce. Each file has one thing
wrong. Run ``python -m tests.vectors.attestation.published.generate`` after a change of a format.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import cbor2

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.kernel.clock import format_time
from tests.support import nvidia_forge, uvm_forge
from tests.support.nvidia_forge import C14N, DRIVER, DRIVER_VALUES
from tests.support.test_pki import AT, NOT_AFTER, NOT_BEFORE
from tests.support.uvm_forge import header, make_endorsement, members
from tests.support.vector_files import Vector, write_vectors

DIRECTORY = Path(__file__).parent
ROOTS = {
    "azure-uvm": str(uvm_forge.uvm_chain()[-1].pin),
    "nvidia-rim": str(nvidia_forge.rim_chain()[-1].pin),
}
ENDORSEMENT = make_endorsement()
MANIFEST = nvidia_forge.driver_rim()
MALFORMED, INTEGRITY, REFUSED = "MalformedError", "IntegrityError", "EvidenceRefusedError"
_OTHER_PURPOSE = "1.3.6.1.5.5.7.3.3"
_Case = tuple[str, str, bytes]


def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made: dict[str, Vector] = {}
    for kind, prefix, source in (
        ("azure-uvm", "uvm", (_uvm_forms, _uvm_chains, _uvm_products, _uvm_payloads)),
        ("nvidia-rim", "rim", (_rim_documents, _rim_forms, _rim_signatures, _rim_bodies)),
    ):
        for cases in source:
            for name, expect, data in cases():
                assert f"{prefix}-{name}" not in made, name
                made[f"{prefix}-{name}"] = _vector(kind, expect, name, data)
    for prefix, kind, data in (
        ("uvm", "azure-uvm", ENDORSEMENT),
        ("rim", "nvidia-rim", MANIFEST),
    ):
        for name, at in (("before", NOT_BEFORE), ("after", NOT_AFTER)):
            step = dt.timedelta(days=1 if name == "after" else -1)
            expect = f"{REFUSED} attestation.certificate-time"
            made[f"{prefix}-{name}-its-time"] = _vector(kind, expect, name, data, at=at + step)
        expect = f"{MALFORMED} {'azure.uvm' if prefix == 'uvm' else 'nvidia.collateral'}"
        beside = _vector(kind, expect, "a file beside it", data, collateral={"root": b"root"})
        made[f"{prefix}-collateral"] = beside
    return made


def item_of(body: dict[str, object]) -> EvidenceItem:
    """Read a vector's evidence."""
    collateral = body["collateral"]
    assert isinstance(collateral, dict)
    return EvidenceItem(
        platform=str(body["kind"]),
        report=base64.b64decode(str(body["report"]), validate=True),
        collateral={name: base64.b64decode(text) for name, text in collateral.items()},
    )


def _vector(
    kind: str,
    expect: str,
    comment: str,
    data: bytes,
    *,
    at: dt.datetime = AT,
    collateral: dict[str, bytes] | None = None,
) -> Vector:
    beside = collateral or {}
    return Vector(
        expect=expect,
        comment=comment.replace("-", " "),
        body={
            "kind": kind,
            "report": base64.b64encode(data).decode(),
            "collateral": {name: base64.b64encode(raw).decode() for name, raw in beside.items()},
            "root": ROOTS[kind],
            "at": format_time(at),
        },
    )


def _uvm_forms() -> Iterator[_Case]:
    yield "good", "success", ENDORSEMENT
    yield "good-aks", "success", make_endorsement(header(feed="ConfAKS-AMD-UVM"))
    yield "good-without-thumbprint", "success", make_endorsement(header(c34="-", signingtime="-"))
    for name, data, code in (
        ("empty", b"", "azure.uvm"),
        ("untagged", ENDORSEMENT[1:], "azure.uvm"),
        ("oversize", bytes(64 * 1024 + 1), "azure.uvm"),
        ("truncated", ENDORSEMENT[:-1], "cbor.malformed"),
        ("trailing", ENDORSEMENT + b"\0", "cbor.malformed"),
        ("three-parts", b"\xd2" + cbor2.dumps([b"", {}, b""]), "azure.uvm"),
        ("text-payload", b"\xd2" + cbor2.dumps([b"", {}, "", b""]), "azure.uvm"),
        ("member-missing", make_endorsement(header(feed="-")), "azure.uvm"),
        ("member-unknown", make_endorsement(header(more=1)), "azure.uvm"),
        ("algorithm-ps256", make_endorsement(header(c1=-37)), "azure.uvm"),
        ("algorithm-hmac", make_endorsement(header(c1=5)), "azure.uvm"),
        ("content-type", make_endorsement(header(c3="text/plain")), "azure.uvm"),
        ("certificate-alone", make_endorsement(_with_chain(1)), "azure.uvm"),
        ("certificates-many", make_endorsement(_with_chain(9)), "azure.uvm"),
    ):
        yield f"form-{name}", f"{MALFORMED} {code}", data


def _with_chain(count: int) -> dict[object, object]:
    chain = [item.der for item in uvm_forge.uvm_chain()]
    return header(c33=(chain * 3)[:count])


def _uvm_chains() -> Iterator[_Case]:
    leaf, middle, root = uvm_forge.uvm_chain()
    own = uvm_forge.uvm_chain(world="own")
    yield "own-root", f"{INTEGRITY} digest.mismatch", make_endorsement(header(chain=own))
    behind = make_endorsement(header(chain=(*own[:-1], root)))
    expect = f"{INTEGRITY} attestation.certificate-signature"
    yield "pinned-root-behind-own", expect, behind
    swapped = make_endorsement(header(chain=(middle, leaf, root)))
    yield "chain-swapped", f"{REFUSED} attestation.certificate-authority", swapped
    issuing = make_endorsement(header(chain=(middle, root)))
    yield "authority-as-leaf", f"{INTEGRITY} attestation.certificate-usage", issuing
    for name, old, new in (
        ("version-raised", b'"22"', b'"99"'),
        ("product-renamed", b"ContainerPlat", b"ContainerFlat"),
    ):
        changed = ENDORSEMENT.replace(old, new)
        yield name, f"{INTEGRITY} attestation.signature", changed
    flipped = ENDORSEMENT[:-1] + bytes([ENDORSEMENT[-1] ^ 1])
    yield "signature-flipped", f"{INTEGRITY} attestation.signature", flipped


def _uvm_products() -> Iterator[_Case]:
    issuer = uvm_forge.issuer()
    others = uvm_forge.uvm_chain(_OTHER_PURPOSE)
    for name, changes in (
        ("issuer", {"iss": f"{issuer}x"}),
        ("feed", {"feed": "Another-Product"}),
        ("thumbprint", {"c34": [-16, bytes(32)]}),
        ("purpose", {"chain": others}),
        ("no-purpose", {"chain": uvm_forge.uvm_chain("")}),
    ):
        data = make_endorsement(header(**changes))
        yield f"other-{name}", f"{REFUSED} azure.uvm-product", data


def _uvm_payloads() -> Iterator[_Case]:
    for name, payload in (
        ("list", []),
        ("svn-number", members(guestsvn=22)),
        ("svn-missing", members(guestsvn="-")),
        ("svn-padded", members(guestsvn="022")),
        ("measurement-short", members(launchmeasurement="00")),
        ("measurement-missing", members(launchmeasurement="-")),
    ):
        data = make_endorsement(payload=json.dumps(payload).encode())
        yield f"payload-{name}", f"{MALFORMED} azure.uvm", data
    twice = json.dumps(members()).replace("{", '{"x-ms-sevsnpvm-guestsvn": "99", ', 1)
    yield (
        "payload-twice",
        f"{MALFORMED} json.duplicate-key",
        make_endorsement(payload=twice.encode()),
    )


def _rim_documents() -> Iterator[_Case]:
    yield "good-driver", "success", MANIFEST
    yield "good-vbios", "success", nvidia_forge.vbios_rim()
    blackwell = nvidia_forge.driver_rim("590.44.01", product="GB100")
    yield "good-blackwell", "success", blackwell
    own = nvidia_forge.make_manifest(_body(), nvidia_forge.rim_chain("own rim root"))
    yield "own-root", f"{INTEGRITY} digest.mismatch", own
    for name, old, new in (
        ("product-renamed", b"GH100", b"GH200"),
        ("version-renamed", DRIVER.encode(), b"570.01.03"),
    ):
        expect = f"{INTEGRITY} nvidia.manifest-digest"
        yield name, expect, MANIFEST.replace(old, new)


def _body(values: dict[int, list[bytes]] | None = None) -> tuple[str, str]:
    chosen = DRIVER_VALUES if values is None else values
    return nvidia_forge.manifest_body(chosen, version=DRIVER)


def _rim_forms() -> Iterator[_Case]:
    good = MANIFEST.decode()
    start = good.index("<ds:Signature ")
    signature = good[start : good.index("</SoftwareIdentity>")]
    for name, text, code in (
        ("empty", "", "xml.malformed"),
        ("truncated", good[:-1], "xml.malformed"),
        ("trailing", f"{good}<x/>", "xml.malformed"),
        ("doctype", f"<!DOCTYPE x>{good}", "xml.malformed"),
        ("comment", good.replace("<Payload>", "<Payload><!-- -->"), "xml.malformed"),
        ("unsigned", good.replace(signature, ""), "nvidia.manifest"),
        ("signed-twice", good.replace(signature, signature * 2), "nvidia.manifest"),
        ("wrapped", f"<wrapper>{good}</wrapper>", "nvidia.manifest"),
    ):
        yield f"form-{name}", f"{MALFORMED} {code}", text.encode()


def _rim_signatures() -> Iterator[_Case]:
    good = MANIFEST.decode()
    at = good.index("<ds:SignatureValue>") + 19
    changed = good[:at] + ("B" if good[at] == "A" else "A") + good[at + 1 :]
    yield "signature-value", f"{INTEGRITY} attestation.signature", changed.encode()
    for name, old, new in (
        ("exclusive-c14n", C14N, "http://www.w3.org/2001/10/xml-exc-c14n#"),
        ("fragment", 'URI=""', 'URI="#payload"'),
        ("hmac", "xmldsig-more#ecdsa-sha384", "xmldsig-more#hmac-sha384"),
    ):
        document = nvidia_forge.make_manifest(_body(), info=[(old, new)])
        yield f"signature-{name}", f"{MALFORMED} nvidia.manifest", document


def _rim_bodies() -> Iterator[_Case]:
    head, tail = _body()
    for name, body in (
        ("none-active", _body({})),
        ("index-twice", (head.replace('index="4"', 'index="3"'), tail)),
    ):
        yield f"body-{name}", f"{MALFORMED} nvidia.manifest", nvidia_forge.make_manifest(body)


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
