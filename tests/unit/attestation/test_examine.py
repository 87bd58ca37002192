# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.attestation import collectors, registry
from cleanroom.attestation.binding import Channel, bind64, expected_in
from cleanroom.attestation.claims_plain import flatten, plain_claims
from cleanroom.attestation.collateral import CollateralCache, CollateralRequest
from cleanroom.attestation.examine import (
    ALIASES,
    Accepted,
    Nonce,
    NotCompared,
    examine,
    kind_named,
    make_item,
    recognise,
    trusting,
    warnings_about,
)
from cleanroom.attestation.facts import NoManifest, NoRuntimeLog
from cleanroom.attestation.fields import encode_base64url
from cleanroom.attestation.platform import Carried, Check, SelfReported, Undated
from cleanroom.attestation.platforms.simulated import KINDS
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError, UnavailableError
from cleanroom.kernel.canonical import canonical_json
from tests.support.attested_machines import AZURE, CRL, GPU, QUOTE, SNP, TDX, WORKLOAD
from tests.support.attested_runs import NOW, RUNNER, make_evidence, make_runtime
from tests.support.platforms import LaxVerifier, carried, make_claims
from tests.support.test_pki import ec_key
from tests.support.tpm_logs import event_log

RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
STRICT = Accepted(debug=False)
TOKEN = Carried(place="eat_nonce", channel=Channel.TOKEN, found=expected_in(Channel.TOKEN, BINDING))
FREE = Carried(place="nonce", channel=Channel.FREE, found=b"theirs")


def kind_of(claims, **fields):
    verifier = LaxVerifier(platform="sev-snp", confidential=True, claims=claims, **fields)
    return replace(KINDS[0], verifier=verifier)


def look(kind, nonce=None, *, accepted=STRICT):
    lines = []
    claims = examine(
        kind,
        make_evidence(RUNTIME),
        nonce=nonce or NotCompared(),
        accepted=accepted,
        at=NOW,
        tell=lines.append,
    )
    return claims, lines


def test_every_check_is_told_in_order():
    check = Check(name="signature", found="holds")
    _, lines = look(kind_of({"checks": (check,)}))
    assert [line.name for line in lines] == ["signature", "nonce", "debug"]
    assert lines[1].found.startswith("NOT COMPARED")


def test_claims_of_another_shape_are_refused_before_anything_is_told():
    with pytest.raises(EvidenceRefusedError, match="^platform: found claims"):
        look(kind_of({"facts": (AZURE,)}))


def test_what_held_before_a_refusal_is_told_and_the_refusal_is_the_verifiers():
    lines = []
    forged = replace(make_evidence(RUNTIME), report=bytes(192))
    with pytest.raises(MalformedError, match="^simulated report: "):
        examine(
            KINDS[0],
            forged,
            nonce=NotCompared(),
            accepted=STRICT,
            at=NOW,
            tell=lines.append,
        )
    assert lines == []
    signed = make_evidence(RUNTIME)
    forged = replace(signed, report=signed.report[:-1] + bytes([signed.report[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="^simulated report: the signature"):
        examine(
            KINDS[0],
            forged,
            nonce=NotCompared(),
            accepted=STRICT,
            at=NOW,
            tell=lines.append,
        )
    assert lines == [
        Check(name=name, found="holds") for name in ("form of the report", "published root", "time")
    ]


def test_a_nonce_is_found_in_its_place_or_where_it_was_said_to_be():
    claims = {"carried": (*carried(BINDING), FREE)}
    assert (
        "report_data carries exactly"
        in look(kind_of(claims), Nonce(value=BINDING, place=""))[1][0].found
    )
    look(kind_of(claims), Nonce(value=b"theirs", place="nonce"))
    with pytest.raises(EvidenceRefusedError, match="^nonce: nonce carries"):
        look(kind_of(claims), Nonce(value=BINDING, place="nonce"))
    with pytest.raises(EvidenceRefusedError, match="^nonce: report_data carries"):
        look(kind_of(claims), Nonce(value=b"theirs", place=""))
    with pytest.raises(MalformedError, match="agreed one of report_data, nonce$"):
        look(kind_of(claims), Nonce(value=BINDING, place="extraData"))


def test_what_is_derived_from_a_whole_binding_counts_as_well():
    kind = kind_of(
        {"carried": (TOKEN,)}, carriers={"eat_nonce": Channel.TOKEN}, nonce_place="eat_nonce"
    )
    assert "derived" in look(kind, Nonce(value=BINDING, place=""))[1][0].found
    for other in (BINDING[:63], bytes(64)):
        with pytest.raises(EvidenceRefusedError, match="^nonce:"):
            look(kind, Nonce(value=other, place=""))


def test_what_answers_nobody_has_no_nonce_to_compare():
    published = kind_of({"carried": ()}, carriers={}, nonce_place="")
    _, lines = look(published)
    assert "nonce" not in [line.name for line in lines]
    with pytest.raises(MalformedError, match="^nonce: found no place '', agreed one of none$"):
        look(published, Nonce(value=BINDING, place=""))


def test_debug_needs_the_readers_word():
    with pytest.raises(EvidenceRefusedError, match="^debug: found on, agreed forbidden"):
        look(kind_of({"debug": True}))
    _, lines = look(kind_of({"debug": True}), accepted=Accepted(debug=True))
    assert lines[-1].found.startswith("ON, accepted")


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (replace(SNP, product="Milan"), ["Milan is broken"]),
        (replace(SNP, vmpl=3), ["privilege level 3"]),
        (SNP, []),
        (QUOTE, []),
        (replace(QUOTE, key_trust="unproven"), ["nobody vouches"]),
        (replace(QUOTE, runtime=NoRuntimeLog()), ["which code runs"]),
        (GPU, []),
        (replace(GPU, driver_rim=NoManifest()), ["no reference manifest"]),
        (replace(GPU, vbios_rim=NoManifest(), revocation="unknown"), ["no reference", "OCSP"]),
        (AZURE, []),
        (TDX, []),
        (replace(TDX, tcb_status="OutOfDate"), ["OutOfDate by Intel's account; advisories: INTEL"]),
        (replace(TDX, tcb_status="Unappraised", advisories=frozenset()), ["none named"]),
    ],
)
def test_what_genuine_evidence_leaves_open_is_said(fact, words):
    warnings = warnings_about(make_claims(facts=(fact,)))
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert word in warning


def test_a_platform_that_protects_nothing_is_said_so():
    assert warnings_about(make_claims(confidential=False))[0].startswith("NOT CONFIDENTIAL")


def test_a_kind_is_found_by_its_name_or_by_trustees():
    assert kind_named("simulated") is kind_named("sample") is KINDS[0]
    with pytest.raises(MalformedError, match="^kind: found 'riscv', agreed"):
        kind_named("riscv")
    known = {kind.name for kind in registry.all_kinds()}
    assert not set(ALIASES) & known


def test_a_reader_may_vouch_for_a_token_services_keys_and_for_nothing_else():
    numbers = ec_key("service").public_key().public_numbers()
    key = {
        "kty": "EC",
        "crv": "P-384",
        "alg": "ES384",
        "kid": "one",
        "use": "sig",
        "x": encode_base64url(numbers.x.to_bytes(48)),
        "y": encode_base64url(numbers.y.to_bytes(48)),
    }
    document = canonical_json({"keys": [key]})
    token = next(kind for kind in registry.all_kinds() if kind.name == "nras-eat")
    vouched = trusting(token, document, issuer="https://service.example", at=NOW)
    assert vouched.verifier != token.verifier
    assert vouched.name == token.name
    with pytest.raises(MalformedError, match="^key set: simulated believes pinned roots only"):
        trusting(KINDS[0], document, issuer="", at=NOW)


def test_bytes_are_recognised_as_one_kind_or_not_at_all():
    data = make_evidence(RUNTIME).report
    assert recognise(data) is KINDS[0]
    with pytest.raises(MalformedError, match="^evidence: found no kind"):
        recognise(b"\0" * 7)
    assert make_item(KINDS[0], data, ()).report == data


def test_bytes_that_two_kinds_claim_need_a_name(monkeypatch):
    monkeypatch.setattr(registry, "FOREIGN", (*registry.FOREIGN, KINDS[0]))
    with pytest.raises(MalformedError, match="^evidence: found what could be simulated, simul"):
        recognise(make_evidence(RUNTIME).report)


def test_claims_are_written_as_plain_values():
    claims = make_claims(facts=(SNP, QUOTE, GPU), collateral=(CRL,), details={"note": "text"})
    value = plain_claims(claims)
    canonical_json(value)
    assert value["runner"] == str(RUNNER)
    assert value["issued_at"] == "2026-11-22T12:00:00Z"
    assert value["facts"]["snp"]["tcb"]["snp"] == 23
    assert value["facts"]["snp"]["launch"] == SNP.launch.hex()
    assert value["facts"]["quote"]["runtime"]["events"][1]["name"] == "contract"
    assert value["facts"]["quote"]["pcrs"]["4"] == (b"4" * 32).hex()
    assert value["collateral"][0]["name"] == "crl"
    lines = flatten(value)
    assert lines["facts.snp.vmpl"] == "0"
    assert lines["details.note"] == "text"
    assert "runner" in lines["facts.quote.runtime.events"]


def test_named_absences_are_written_by_name():
    claims = make_claims(
        runner=SelfReported(),
        issued_at=Undated(),
        facts=(replace(QUOTE, runtime=NoRuntimeLog()),),
    )
    value = plain_claims(claims)
    assert value["runner"] == "self-reported"
    assert value["issued_at"] == "Undated"
    assert value["facts"]["quote"]["runtime"] == "NoRuntimeLog"


def test_sets_and_times_within_facts_are_written_in_order():
    value = plain_claims(make_claims(facts=(TDX, WORKLOAD)))
    assert value["facts"]["tdx"]["advisories"] == ["INTEL-SA-00001"]
    assert value["facts"]["workload"]["support"] == ["LATEST", "STABLE", "USABLE"]


class FakeCollector:
    def __init__(self, *missing):
        self._missing = missing

    platform = "snp"

    def missing(self):
        return self._missing


def test_a_collector_is_asked_by_name_and_says_what_its_machine_lacks():
    ready = FakeCollector()
    assert collectors.collector_for("snp", collectors=(ready,)) is ready
    with pytest.raises(UnavailableError, match="^tdx: no collector makes it, agreed one of snp"):
        collectors.collector_for("tdx", collectors=(ready,))
    lacking = FakeCollector("/dev/sev-guest: no such device", "configfs is not mounted")
    with pytest.raises(UnavailableError, match="^snp: this machine lacks /dev/sev-guest"):
        collectors.collector_for("snp", collectors=(lacking,))


def test_a_cache_names_answers_by_what_was_asked(tmp_path):
    request = CollateralRequest(name="crl", url="u", method="GET", headers={}, body=b"")
    cache = CollateralCache(directory=tmp_path / "deep" / "cache")
    assert cache.load((request,)) == ()
    cache.store(request, b"old")
    cache.store(request, b"new")
    assert cache.load((request, replace(request, method="POST"))) == (b"new",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\n-----BEGIN CERTIFICATE-----\n", "certificates"),
        (b"-----BEGIN X509 CRL-----\n", "a revocation list"),
        (b"\x30\x82\x00\x02ab", "a certificate or list in DER"),
        (b'{"tcbInfo":{},"signature":""}', "collateral of Intel's"),
        (b'{"enclaveIdentity":{},"signature":""}', "collateral of Intel's"),
        (b'{"tcb_info":"","tcb_info_signature":""}', "collateral of Intel's"),
        (b'{"keys":[{"kty":"RSA"}]}', "a key set"),
        (event_log(), "a firmware's event log"),
        # As long as a report with the host's certificates behind it.
        (event_log() + bytes(2000), "a firmware's event log"),
    ],
)
def test_what_only_comes_beside_evidence_is_named(data, words):
    with pytest.raises(MalformedError, match=f"^evidence: found {words}, agreed") as refused:
        recognise(data)
    assert "--collateral" in refused.value.hint
    with pytest.raises(MalformedError, match="^evidence: found no kind that is known") as unknown:
        recognise(b"what")
    assert "--kind" in unknown.value.hint
