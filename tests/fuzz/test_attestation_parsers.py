# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes arrive, a parser answers with a value or an error of the tree (T-18)."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence, parse_evidence
from cleanroom.attestation.platforms.simulated.parse import parse_report
from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from tests.support.attested_runs import NOW, make_evidence, make_profile, make_runtime
from tests.support.fuzzed import edited, only_tree_errors

THREATS = ("T-18",)
RUNTIME = make_runtime()
EVIDENCE = make_evidence(RUNTIME)
WIRE = encode_evidence(EVIDENCE)
TRUST = trust_for(make_profile())

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
MODEST = settings(max_examples=150, deadline=None)


@MODEST
@given(st.binary(max_size=400) | edited(WIRE) | JSON.map(lambda value: json.dumps(value).encode()))
def test_evidence_from_any_bytes(data):
    evidence = only_tree_errors(parse_evidence, data)
    if evidence is not None:
        assert encode_evidence(evidence) == data


@MODEST
@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("format", "platform", "report", "collateral", "devices"), JSON),
    )
)
def test_evidence_from_any_object(changes):
    only_tree_errors(parse_evidence, EVIDENCE.to_json() | changes)


@MODEST
@given(st.binary(max_size=400) | edited(RUNTIME.raw))
def test_runtime_data_from_any_bytes(data):
    runtime = only_tree_errors(parse_runtime_data, data)
    if runtime is not None:
        assert runtime.raw == data


@MODEST
@given(st.sampled_from(sorted(json.loads(RUNTIME.raw))), JSON)
def test_runtime_data_with_any_member(name, value):
    document = json.loads(RUNTIME.raw) | {name: value}
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    only_tree_errors(parse_runtime_data, data.encode("utf-8", "surrogatepass"))


@MODEST
@given(st.binary(max_size=200) | st.binary(min_size=192, max_size=192) | edited(EVIDENCE.report))
def test_a_simulated_report_from_any_bytes(data):
    only_tree_errors(parse_report, data)


@MODEST
@given(
    st.sampled_from(["simulated", "sev-snp", "", "\x00"]),
    st.just(EVIDENCE.report) | edited(EVIDENCE.report) | st.binary(max_size=300),
    st.just(EVIDENCE.collateral)
    | st.dictionaries(st.sampled_from(["root", "crl"]), st.binary(max_size=100)),
    st.just(bind64(RUNTIME.raw)) | st.binary(max_size=100),
)
def test_only_the_good_evidence_is_ever_accepted(platform, report, collateral, binding):
    evidence = Evidence(platform=platform, report=report, collateral=collateral, devices=())
    claims = only_tree_errors(verify_evidence, evidence, binding=binding, at=NOW, trust=TRUST)
    if claims is not None:
        assert (evidence, binding) == (EVIDENCE, bind64(RUNTIME.raw))
        appraise(claims, profile=make_profile(), runtime=RUNTIME, at=NOW)
