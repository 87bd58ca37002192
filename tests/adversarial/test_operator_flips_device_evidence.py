# SPDX-License-Identifier: Apache-2.0
"""One byte of genuine evidence is changed: in what is signed, or in who signed it (T-04)."""

from dataclasses import replace

import pytest

from cleanroom.attestation.platforms import nitro as nitro_platform
from cleanroom.attestation.platforms.nitro.verify import NitroVerifier
from cleanroom.attestation.platforms.nvidia_gpu.manifest import verify_manifest
from cleanroom.attestation.platforms.nvidia_gpu.root import RIM_ROOT
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support import nitro_forge, nvidia_forge, token_forge
from tests.support.real_devices import AT as THEN
from tests.support.real_devices import DRIVER_RIM, GPU, manifest, real_device
from tests.support.shared_vectors import shared_vector
from tests.support.test_pki import AT
from tests.vectors.test_shared_cloud_vectors import DOCUMENTS

THREATS = ("T-04",)
REFUSALS = (IntegrityError, MalformedError, EvidenceRefusedError)
# Certificates with a byte changed make the library warn before it refuses.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def flipped(data, at, mask):
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def refuse_all(data, check, *, positions, masks=(0x01,)):
    """Check that every change is refused; return how many there were."""
    tried = 0
    for at in positions:
        for mask in masks:
            changed = flipped(data, at, mask)
            with pytest.raises(REFUSALS):
                check(changed)
            tried += 1
    return tried


def sampled(data, count=60):
    step = max(1, len(data) // count)
    return range(0, len(data), step)


def own_device(report):
    return nvidia_forge.make_verifier().verify(nvidia_forge.make_item(report=report), at=AT)


def own_manifest(document):
    return verify_manifest(document, root=nvidia_forge.rim_chain()[-1].pin, at=AT)


def own_document(document):
    verifier = NitroVerifier(root=nitro_forge.nitro_chain()[-1].pin)
    return verifier.verify(nitro_forge.make_item(document), at=AT)


def test_no_byte_of_a_report_may_change():
    report = nvidia_forge.make_report()
    assert refuse_all(report, own_device, positions=sampled(report))


@pytest.mark.parametrize("name", ["ccc", "nvtrust_ppcie_switch_evidence.json/0"])
def test_no_byte_of_a_real_report_may_change(name):
    item, _ = real_device(name)
    verifier = (
        GPU.verifier if item.platform == GPU.name else replace(GPU.verifier, kind=item.platform)
    )
    refuse_all(
        item.report,
        lambda report: verifier.verify(replace(item, report=report), at=THEN),
        positions=sampled(item.report),
    )


def changes_text(document):
    """Leave out the white space of base64 and around tags, which is not data."""
    return [at for at in sampled(document, 90) if document[at] not in b" \n"]


def test_no_byte_of_a_manifest_may_change():
    document = nvidia_forge.driver_rim()
    refuse_all(document, own_manifest, positions=changes_text(document))


def test_no_byte_of_a_real_manifest_may_change():
    document = manifest(DRIVER_RIM)
    refuse_all(
        document,
        lambda changed: verify_manifest(changed, root=RIM_ROOT, at=THEN),
        positions=changes_text(document),
    )


def test_no_byte_of_a_document_may_change():
    document = nitro_forge.make_document()
    refuse_all(document, own_document, positions=sampled(document))


def test_no_byte_of_a_token_may_change():
    token = token_forge.sign_token(token_forge.maa_claims(), token_forge.signing_rsa())
    from tests.unit.attestation.platforms.maa.test_token import VERIFIER, item_of  # noqa: PLC0415

    refuse_all(
        token, lambda changed: VERIFIER.verify(item_of(changed), at=AT), positions=sampled(token)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ccc", "sdk_hopper_evidence.json/0", "sdk_switch_evidence_ls10.json/0"]
)
def test_every_single_byte_of_real_reports_is_covered(name):
    item, _ = real_device(name)
    verifier = replace(GPU.verifier, kind=item.platform)
    tried = refuse_all(
        item.report,
        lambda report: verifier.verify(replace(item, report=report), at=THEN),
        positions=range(len(item.report)),
    )
    assert tried == len(item.report)


@pytest.mark.slow
def test_every_single_byte_of_a_real_chain_is_covered():
    item, _ = real_device("ccc")
    ders = load_chain(item.collateral["chain"])
    for number, der in enumerate(ders):
        for at in range(len(der)):
            chain = [*ders[:number], flipped(der, at, 0x01), *ders[number + 1 :]]
            with pytest.raises(REFUSALS):
                GPU.verifier.verify(
                    replace(item, collateral={"chain": write_chain(chain)}), at=THEN
                )


def but_white_space(document, *, step=1):
    return [at for at in range(0, len(document), step) if document[at] not in b" \n"]


@pytest.mark.slow
def test_every_single_byte_of_a_manifest_is_covered():
    document = nvidia_forge.driver_rim()
    assert refuse_all(document, own_manifest, positions=but_white_space(document)) > 4000


@pytest.mark.slow
def test_every_third_byte_of_a_real_manifest_is_covered():
    document = manifest(DRIVER_RIM)
    refuse_all(
        document,
        lambda changed: verify_manifest(changed, root=RIM_ROOT, at=THEN),
        positions=but_white_space(document, step=3),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_single_byte_of_real_documents_is_covered(name):
    (kind,) = nitro_platform.KINDS
    item = kind.intake(shared_vector("nitro", name), [])
    at = DOCUMENTS[name]
    tried = refuse_all(
        item.report,
        lambda changed: kind.verifier.verify(replace(item, report=changed), at=at),
        positions=range(len(item.report)),
    )
    assert tried == len(item.report)


def load_chain(pem):
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return [item.public_bytes(Encoding.DER) for item in x509.load_pem_x509_certificates(pem)]


def write_chain(ders):
    import base64  # noqa: PLC0415

    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der) + b"\n-----END CERTIFICATE-----\n"
        for der in ders
    )
