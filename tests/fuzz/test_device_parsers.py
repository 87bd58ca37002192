# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes arrive as device or cloud evidence, the answer is a value or an error (T-18)."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.attestation.platforms import confidential_space, maa, nitro, nvidia_gpu
from cleanroom.attestation.platforms.confidential_space import parse as cs_parse
from cleanroom.attestation.platforms.maa import parse as maa_parse
from cleanroom.attestation.platforms.nitro.cbor import decode, encode
from cleanroom.attestation.platforms.nitro.parse import parse_document
from cleanroom.attestation.platforms.nvidia_gpu.manifest import verify_manifest
from cleanroom.attestation.platforms.nvidia_gpu.nras import parse_detached
from cleanroom.attestation.platforms.nvidia_gpu.parse import mode_of, parse_report, vbios_version
from cleanroom.attestation.platforms.nvidia_gpu.revocation import check_response
from cleanroom.attestation.platforms.nvidia_gpu.xml_canonical import canonical, read_octets
from cleanroom.attestation.tokens.jws import parse_token
from cleanroom.attestation.tokens.keys import parse_key_set
from tests.support import nitro_forge, nvidia_forge, token_forge
from tests.support.fuzzed import edited, only_tree_errors
from tests.support.test_pki import AT

THREATS = ("T-18",)
MODEST = settings(max_examples=100, deadline=None)
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

KINDS = (
    *nvidia_gpu.KINDS,
    *nvidia_gpu.FOREIGN,
    *nitro.KINDS,
    *confidential_space.KINDS,
    *maa.KINDS,
)
REPORT = nvidia_forge.make_report()
MANIFEST = nvidia_forge.driver_rim()
ANSWER = nvidia_forge.make_answer(*nvidia_forge.device_chain()[1:3])
CHAINS = [[item.certificate for item in nvidia_forge.device_chain()]]
DOCUMENT = nitro_forge.make_document()
TOKEN = token_forge.sign_token(token_forge.maa_claims(), token_forge.signing_rsa())
DETACHED = token_forge.detached()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@MODEST
@given(st.binary(max_size=400) | edited(REPORT))
def test_a_report_from_any_bytes(data):
    report = only_tree_errors(parse_report, data)
    if report is not None:
        assert data.startswith(report.signed + report.signature)
        only_tree_errors(mode_of, report)
        only_tree_errors(vbios_version, report)


@MODEST
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | edited(MANIFEST))
def test_xml_from_any_bytes(data):
    octets = only_tree_errors(canonical, data)
    if octets is not None:
        assert canonical(octets) == octets
        only_tree_errors(read_octets, octets)


@MODEST
@given(edited(MANIFEST))
def test_a_manifest_from_any_bytes(data):
    root = nvidia_forge.rim_chain()[-1].pin
    found = only_tree_errors(verify_manifest, data, root=root, at=AT)
    if found is not None:
        # Only white space between tags, or another spelling of the same text, may differ.
        assert found.active == verify_manifest(MANIFEST, root=root, at=AT).active


@MODEST
@given(st.binary(max_size=200) | edited(ANSWER))
def test_an_ocsp_answer_from_any_bytes(data):
    only_tree_errors(check_response, data, chains=CHAINS, at=AT)


@MODEST
@given(st.binary(max_size=200) | edited(DOCUMENT))
def test_cbor_from_any_bytes(data):
    value = only_tree_errors(decode, data, what="value")
    if value is not None:
        assert encode(value) == data
    only_tree_errors(parse_document, data)


@MODEST
@given(st.binary(max_size=200) | edited(TOKEN))
def test_a_token_from_any_bytes(data):
    only_tree_errors(parse_token, data, what="token")


@MODEST
@given(JSON.map(lambda value: json.dumps(value).encode()) | edited(token_forge.rsa_set()))
def test_a_key_set_from_any_bytes(data):
    only_tree_errors(parse_key_set, data)


@MODEST
@given(JSON.map(lambda value: json.dumps(value).encode()) | edited(DETACHED))
def test_a_detached_token_from_any_bytes(data):
    only_tree_errors(parse_detached, data)


@MODEST
@given(st.sampled_from(sorted(token_forge.maa_claims())), JSON)
def test_claims_of_azure_with_any_member(name, value):
    claims = token_forge.maa_claims() | {name: value}
    only_tree_errors(maa_parse.read_claims, claims, issuer="issuer")


@MODEST
@given(st.sampled_from(sorted(token_forge.maa_claims()["x-ms-isolation-tee"])), JSON)
def test_claims_of_a_machine_with_any_member(name, value):
    tee = token_forge.maa_claims()["x-ms-isolation-tee"] | {name: value}
    claims = token_forge.maa_claims(**{"x-ms-isolation-tee": tee})
    only_tree_errors(maa_parse.read_claims, claims, issuer="issuer")


@MODEST
@given(st.sampled_from(sorted(token_forge.cs_claims())), JSON)
def test_claims_of_google_with_any_member(name, value):
    only_tree_errors(cs_parse.read_claims, token_forge.cs_claims() | {name: value}, issuer="issuer")


@MODEST
@given(
    st.sampled_from(KINDS),
    st.binary(max_size=100)
    | st.sampled_from([REPORT, DOCUMENT, TOKEN, DETACHED, REPORT.hex().encode()])
    | JSON.map(lambda value: json.dumps(value).encode()),
    st.lists(
        st.binary(max_size=60) | st.sampled_from([MANIFEST, ANSWER, b"{}", b"<a/>"]), max_size=3
    ),
)
def test_strangers_files_of_any_kind(kind, report, files):
    kind.recognises(report)
    item = only_tree_errors(kind.intake, report, files)
    if item is not None:
        assert only_tree_errors(kind.verifier.verify, item, at=AT) is None
        only_tree_errors(kind.collateral_requests, item)
