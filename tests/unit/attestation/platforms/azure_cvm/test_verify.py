# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace

import pytest

from cleanroom.attestation.binding import Channel, expected_in
from cleanroom.attestation.facts import AzureFacts, NoRuntimeLog, QuoteFacts
from cleanroom.attestation.platforms.azure_cvm import KINDS
from cleanroom.attestation.platforms.azure_cvm.hcl import parse_hcl, require_claims
from cleanroom.attestation.platforms.azure_cvm.parse import encode_report, parse_report
from cleanroom.attestation.platforms.azure_cvm.runtime_claims import parse_claims
from cleanroom.attestation.platforms.azure_cvm.verify import AzureSnpVerifier, AzureTdxVerifier
from cleanroom.attestation.verifier import require_bound, require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support import dcap_forge, snp_forge
from tests.support.azure_forge import (
    AT,
    BINDING,
    LOG,
    PCRS,
    SNP,
    TDX,
    VM_ID,
    ForgedHcl,
    Machine,
    digest_of,
    jwk,
    make_claims,
    make_quote,
)
from tests.support.test_pki import rsa_key
from tests.support.tpm_forge import RSA_AK, ForgedKey, selection

ON_SNP = AzureSnpVerifier(pins=snp_forge.all_pins())
ON_TDX = AzureTdxVerifier(pins=dcap_forge.intel().pins)
OTHER_AK = replace(RSA_AK, private=rsa_key("snp middle"))


def verify(machine):
    ours = ON_SNP if machine.kind == SNP else ON_TDX
    return ours.verify(machine.item(), at=AT)


@pytest.mark.parametrize("kind", [SNP, TDX])
@pytest.mark.parametrize("hcl", [{}, {"version": 1}, {"data_version": 2}])
def test_a_genuine_machine_claims_processor_registers_and_configuration(kind, hcl):
    claims = verify(Machine(kind=kind, hcl=hcl))
    require_declared(ON_SNP if kind == SNP else ON_TDX, claims)
    require_bound(claims, BINDING)
    _, quote, azure = claims.facts
    assert isinstance(quote, QuoteFacts)
    assert (quote.bank, quote.pcrs, quote.key_trust) == ("sha256", PCRS, "hcl-report")
    assert (quote.clock, quote.resets, quote.restarts, quote.firmware) == (1000, 3, 1, 7)
    assert quote.runtime == LOG
    assert azure == AzureFacts(
        vm_id=VM_ID.lower(),
        secure_boot=True,
        console=False,
        interactive_console=False,
        tpm_persisted=False,
    )


@pytest.mark.parametrize(("hash_type", "name"), [(2, "sha384"), (3, "sha512")])
def test_a_longer_hash_counts_in_full(hash_type, name):
    machine = Machine(hcl={"hash_type": hash_type})
    assert verify(replace(machine, report_data=digest_of(machine.claims, name))).facts


def test_a_cached_report_of_the_boot_does_not_carry_this_run():
    stale = make_claims(**{"user-data": "00" * 64})
    claims = verify(Machine(claims=stale))
    with pytest.raises(EvidenceRefusedError, match="^binding: snp-azure-vtpm user-data was made"):
        require_bound(claims, BINDING)


def test_user_data_binds_in_capitals_and_in_small_letters():
    for text in (BINDING.hex().upper(), BINDING.hex()):
        verify(Machine(claims=make_claims(**{"user-data": text})))


def test_an_old_paravisor_without_user_data_is_never_bound():
    claims = verify(Machine(claims=make_claims(**{"user-data": None})))
    with pytest.raises(EvidenceRefusedError, match="user-data"):
        require_bound(claims, BINDING)


@pytest.mark.parametrize(
    "extra",
    [BINDING, BINDING[:32], b"challenge", expected_in(Channel.GPU, BINDING)],
)
def test_a_quote_for_anything_else_is_not_bound(extra):
    claims = verify(Machine(quote=make_quote(extra_data=extra)))
    with pytest.raises(EvidenceRefusedError, match="^binding: snp-azure-vtpm quote was made"):
        require_bound(claims, BINDING)


def test_where_an_old_paravisor_says_nothing_the_worse_is_taken_for_granted():
    silent = {"console-enabled": None, "interactive-console-enabled": None, "tpm-persisted": None}
    azure = verify(Machine(claims=make_claims(machine=silent))).facts[2]
    assert (azure.console, azure.interactive_console, azure.tpm_persisted) == (True, True, True)


def test_the_selection_is_claimed_exactly_as_it_was_signed():
    # Registers 16 and 23 show any history one likes: they stay 16 and 23.
    quote = make_quote(
        selections=(selection(pcrs=(16, 23)),), values={16: b"\x04" * 32, 23: b"\x0e" * 32}
    )
    facts = verify(
        Machine(quote=quote, pcrs=(b"\x04" * 32, b"\x0e" * 32), log=NoRuntimeLog())
    ).facts[1]
    assert set(facts.pcrs) == {16, 23}


def test_a_strangers_machine_without_a_log_is_genuine_and_says_so():
    claims = verify(Machine(log=NoRuntimeLog()))
    assert claims.facts[1].runtime == NoRuntimeLog()
    assert "what runs now is unknown" in str(claims.checks)


@pytest.mark.parametrize(
    "log",
    [
        replace(LOG, events=LOG.events[:2]),
        replace(LOG, events=(*LOG.events, LOG.events[0])),
        replace(LOG, events=tuple(reversed(LOG.events))),
        replace(LOG, register=7),
        replace(LOG, register=16),
    ],
)
def test_a_log_that_does_not_explain_its_register_is_refused(log):
    with pytest.raises(IntegrityError, match="^runtime log: register"):
        verify(Machine(log=log))


FORGED = make_claims(keys=[jwk(OTHER_AK)])
REFUSALS = {
    "ak-of-the-attester": (
        Machine(claims=FORGED, report_data=digest_of(make_claims()), quote=make_quote(OTHER_AK)),
        IntegrityError,
        "azure runtime claims: not those that the hardware report digests",
        "azure.claims-digest",
    ),
    "digest-of-a-prefix": (
        Machine(report_data=digest_of(make_claims())[:31] + bytes(33)),
        IntegrityError,
        "azure runtime claims: not those",
        "azure.claims-digest",
    ),
    "digest-with-a-tail": (
        Machine(report_data=digest_of(make_claims())[:32] + b"x" * 32),
        IntegrityError,
        "azure runtime claims: not those",
        "azure.claims-digest",
    ),
    "unmeasured-hash-type": (
        Machine(hcl={"hash_type": 3}),
        IntegrityError,
        "azure runtime claims: not those",
        "azure.claims-digest",
    ),
    "quote-by-another-key": (
        Machine(quote=make_quote(OTHER_AK)),
        IntegrityError,
        "TPM quote: the signature does not match",
        "tpm.signature",
    ),
    "other-values": (
        Machine(pcrs=(b"x" * 32, *list(PCRS.values())[1:])),
        IntegrityError,
        "TPM registers: the values give",
        "tpm.pcr-digest",
    ),
    "values-reordered": (
        Machine(pcrs=tuple(reversed(PCRS.values()))),
        IntegrityError,
        "TPM registers: the values give",
        "tpm.pcr-digest",
    ),
    "values-missing": (
        Machine(pcrs=tuple(PCRS.values())[:2]),
        MalformedError,
        "azure quote: found 2 values against sha256:4,7,14",
        "azure.pcrs",
    ),
    "two-banks": (
        Machine(quote=make_quote(selections=(selection(), selection()))),
        MalformedError,
        "azure quote: found 2 banks against one",
        "azure.banks",
    ),
    "hardware-of-the-other-kind": (
        Machine(hcl={"kind": TDX}),
        MalformedError,
        "azure evidence: found hardware TDX, agreed SEV_SNP",
        "azure.hardware",
    ),
    "td-quote-on-snp": (
        Machine(td_quote=b"quote"),
        MalformedError,
        "azure evidence: a TDX quote on SEV-SNP",
        "azure.td-quote",
    ),
    "no-td-quote-on-tdx": (
        Machine(kind=TDX, td_quote=b""),
        MalformedError,
        "dcap quote: found an end inside a field",
        "dcap.truncated",
    ),
    "hardware-signature": (
        Machine(hcl={"hardware": snp_forge.make_report(key=snp_forge.chip_key("other"))}),
        IntegrityError,
        "snp report: the signature does not match",
        "attestation.signature",
    ),
    "masked-chip": (
        Machine(hardware={"chip_id": 0}),
        EvidenceRefusedError,
        "snp chip id: found masked",
        "snp.chip-masked",
    ),
    "td-quote-of-another-machine": (
        Machine(kind=TDX, td_quote=dcap_forge.make_quote()),
        IntegrityError,
        "azure runtime claims: not those",
        "azure.claims-digest",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_one_wrong_thing_is_refused_for_its_own_reason(name):
    machine, error, match, code = REFUSALS[name]
    with pytest.raises(error, match=f"^{match}") as caught:
        verify(machine)
    assert (type(caught.value), caught.value.code) == (error, code)


def test_debug_is_claimed_for_the_appraisal_to_refuse():
    assert verify(Machine(hardware={"policy": 0x3001F | 1 << 19})).debug


def test_the_vendors_verifiers_pin_the_vendors():
    for kind, machine in zip(KINDS, (Machine(), Machine(kind=TDX)), strict=True):
        assert kind.verifier.confidential
        assert kind.verifier.nonce_place in kind.verifier.carriers
        with pytest.raises(IntegrityError, match="^(snp|intel) root: found"):
            kind.verifier.verify(machine.item(), at=AT)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"magic": b"HCLB"}, "another magic"),
        ({"version": 3}, "versions 3 and 1"),
        ({"data_version": 3}, "versions 2 and 3"),
        ({"kind": 1}, "hardware type 1"),
        ({"hash_type": 4}, "hash type 4"),
        ({"size": 7}, "lengths that do not fit"),
        ({"length": 100_000}, "lengths that do not fit"),
        ({"length": 10}, "lengths that do not fit"),
        ({"tail": b"\1"}, "lengths that do not fit"),
        ({"tail": bytes(40_000)}, "[0-9]* bytes against 1236 to 32768"),
    ],
)
def test_a_paravisors_report_out_of_form_is_refused(changes, match):
    data = ForgedHcl(hardware=b"", **changes).encode()
    with pytest.raises(MalformedError, match=f"^hcl report: found {match}"):
        parse_hcl(data)


def test_a_short_report_is_refused_and_unmeasured_fields_change_nothing():
    with pytest.raises(MalformedError, match="^hcl report: found 1235 bytes"):
        parse_hcl(bytes(1235))
    one = parse_hcl(ForgedHcl(hardware=b"").encode())
    assert parse_hcl(ForgedHcl(hardware=b"", unmeasured=b"x" * 24).encode()) == one
    with pytest.raises(IntegrityError):
        require_claims(one, bytes(64))


def claims_with(**changes):
    return make_claims(**changes)


@pytest.mark.parametrize(
    ("claims", "match"),
    [
        (b"[]", "found no object in the claims"),
        (b"{", "not JSON"),
        (b'{"keys":[],"keys":[]}', "found the key 'keys' twice"),
        (claims_with(keys=None), "found no list of at most 8 keys"),
        (claims_with(keys=[jwk()] * 9), "found no list of at most 8 keys"),
        (claims_with(keys=[]), "found 0 keys named HCLAkPub"),
        (claims_with(keys=[jwk(), jwk(OTHER_AK)]), "found 2 keys named HCLAkPub"),
        (claims_with(keys=["text"]), "found no object in a key"),
        (claims_with(keys=[jwk(kty="EC")]), "found another kind of key"),
        (claims_with(keys=[jwk(n="=")]), "key: not base64url|key: not standard"),
        (claims_with(**{"vm-configuration": None}), "found no object in vm-configuration"),
        (claims_with(machine={"vmUniqueId": "x"}), "vmUniqueId: not text"),
        (claims_with(machine={"secure-boot": None}), "found no yes or no"),
        (claims_with(machine={"console-enabled": 1}), "found no yes or no"),
        (claims_with(**{"user-data": "00" * 63}), "user-data: not text"),
        (claims_with(**{"user-data": "0aB0" * 32}), "user-data: not text"),
        (b" " * 20_000, "20000 bytes against"),
    ],
)
def test_runtime_claims_out_of_form_are_refused(claims, match):
    with pytest.raises(MalformedError, match=f"^azure runtime claims:? ?(?:{match})"):
        parse_claims(claims)


@pytest.mark.parametrize(
    "changes",
    [{"e": "Aw"}, {"n": jwk(ForgedKey(private=rsa_key("small", 1024)))["n"]}],
)
def test_a_key_of_another_size_or_exponent_is_refused(changes):
    with pytest.raises(MalformedError, match="^TPM public area: RSA of"):
        parse_claims(make_claims(keys=[jwk(**changes)]))


def document(**changes):
    value = json.loads(Machine().item().report) | changes
    return json.dumps(
        {name: item for name, item in value.items() if item is not None},
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (document(format="cleanroom.azure-vtpm.v1"), "format: not"),
        (document(pcrs=None), "'pcrs' is missing"),
        (document(more=1), "found a key beside"),
        (document(pcrs={}), "no list of at most 24"),
        (document(pcrs=[""] * 25), "no list of at most 24"),
        (document(pcrs=[1]), "register: not text"),
        (document(message="*"), "message: not standard base64"),
        (document(runtime=7), "|runtime log: not"),
        (document() + b" ", "not in canonical form"),
    ],
)
def test_evidence_out_of_form_is_refused(data, match):
    with pytest.raises(MalformedError, match=f"^(azure evidence|runtime log):? ?(?:{match})"):
        parse_report(data)


def test_evidence_reads_back():
    report = Machine(kind=TDX).report()
    assert parse_report(encode_report(report)) == report
