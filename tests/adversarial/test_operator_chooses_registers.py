# SPDX-License-Identifier: Apache-2.0
"""The operator lets a TPM vouch for registers, keys or logs of its own choosing (T-24).

Each test makes one of the mistakes that verifiers of TPM quotes made. The bytes go the
way that they go at every owner's broker: evidence, verification, appraisal.
"""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation import registry
from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import Channel, bind32, bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence, parse_evidence
from cleanroom.attestation.facts import NoRuntimeLog, RuntimeEvent
from cleanroom.attestation.platforms.tpm.endorsement import spki_digest
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.tpm.report import parse_report
from cleanroom.attestation.result import Status
from cleanroom.attestation.runtime_log import events_of, replayed
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.attestation_terms import PcrClause, Unrestricted
from cleanroom.errors import CleanroomError, EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import make_profile, make_runtime
from tests.support.test_pki import AT
from tests.support.tpm_evidence import (
    BINDING,
    EVENT_LOG,
    EVENTS,
    RUNTIME,
    SELECTION,
    collected,
    collector,
    machine,
    with_items,
    with_report,
)
from tests.support.tpm_forge import (
    AK,
    AK_ATTRIBUTES,
    ForgedKey,
    ForgedQuote,
    ecc_private,
    selection,
)

THREATS = ("T-24",)
OWN_KEY = spki_digest(AK.private.public_key())
REGISTERS = SELECTION.pcrs - {14}


@pytest.fixture(scope="module")
def item(tmp_path_factory):
    return collected(tmp_path_factory.mktemp("machine"))


def clause(item, **changes):
    values = parse_report(item.report).values
    agreed = PcrClause(
        bank="sha256",
        values={index: frozenset({values[index]}) for index in REGISTERS},
        runtime=14,
        key_trust=frozenset({"unproven"}),
        keys=frozenset({OWN_KEY}),
    )
    return replace(agreed, **changes)


def broker(item, *, agreed, runtime=RUNTIME, platforms=("tpm",)):
    profile = make_profile(platforms=frozenset(platforms), clauses=(agreed,))
    evidence = parse_evidence(encode_evidence(Evidence.of(item)))
    genuine = verify_evidence(
        evidence, binding=bind64(runtime.raw), at=AT, trust=trust_for(profile)
    )
    return appraise(genuine, profile=profile, runtime=runtime, at=AT)


def requoted(item, *, signer=AK, **changes):
    """Let a TPM that signs anything quote whatever the operator likes."""
    report = parse_report(item.report)
    indices = tuple(sorted(changes.get("values", report.values)))
    made = {"values": report.values, "selections": (selection(pcrs=indices),)} | changes
    quote = ForgedQuote(extra_data=bind32(Channel.TPM, BINDING)).but(**made)
    return with_report(
        item,
        quote=quote.encode(),
        signature=signer.sign(quote.encode()),
        key=signer.public,
        values=quote.values,
    )


def test_the_honest_machine_gets_through_and_is_never_affirmed(item):
    result = broker(item, agreed=clause(item))
    assert result.status is Status.CONTRAINDICATED
    assert result.banner.startswith("TPM ALONE - NOT CONFIDENTIAL")


def test_t24_a_register_that_the_guest_resets_does_not_stand_for_the_runtime_register(tmp_path):
    fake = machine(tmp_path)
    fake.extend(14, b"what really ran".ljust(32))
    swapped = PcrSelection(bank=SELECTION.bank, pcrs=REGISTERS | {16})
    item = collector(tmp_path, fake, selection=swapped, register=16).collect(binding=BINDING)
    values = parse_report(item.report).values
    # The replayed digest of register 16 is what register 14 should hold.
    assert values[16] == replayed(EVENTS)
    with pytest.raises(EvidenceRefusedError, match="^tpm selection:"):
        broker(item, agreed=clause(item))
    renamed = {14 if index == 16 else index: value for index, value in values.items()}
    runtime = replace(parse_report(item.report).runtime, register=14)
    with pytest.raises(MalformedError, match="^TPM registers: values do not belong"):
        broker(with_report(item, values=renamed, runtime=runtime), agreed=clause(item))


@pytest.mark.parametrize("quoted", [SELECTION.pcrs - {4}, SELECTION.pcrs | {11}])
def test_t24_fewer_or_more_registers_than_agreed_are_refused(tmp_path, item, quoted):
    other = PcrSelection(bank=SELECTION.bank, pcrs=frozenset(quoted))
    shown = collector(tmp_path, machine(tmp_path), selection=other).collect(binding=BINDING)
    with pytest.raises(EvidenceRefusedError, match="^tpm selection:"):
        broker(shown, agreed=clause(item))


def test_t24_an_unrestricted_key_forges_a_quote(item):
    forger = ForgedKey(attributes=AK_ATTRIBUTES & ~(1 << 16))
    with pytest.raises(EvidenceRefusedError, match="^TPM attestation key: may sign foreign"):
        broker(requoted(item, signer=forger), agreed=clause(item, keys=Unrestricted()))


def test_t24_a_key_whose_attributes_are_not_shown_is_no_contracts_key(item):
    bare = AK.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(EvidenceRefusedError, match="^tpm key trust: found attributes-unknown"):
        broker(with_report(item, key=bare), agreed=clause(item))


def test_t24_the_key_that_comes_with_the_evidence_is_not_believed_for_coming(item):
    own = requoted(item, signer=ForgedKey(private=ecc_private(77)))
    with pytest.raises(EvidenceRefusedError, match="^tpm key: found"):
        broker(own, agreed=clause(item))
    certified_only = clause(item, key_trust=frozenset({"vendor-certificate"}))
    with pytest.raises(EvidenceRefusedError, match="^tpm key trust: found unproven"):
        broker(item, agreed=certified_only)


def test_t24_a_quote_over_sha1_is_not_read(item):
    with pytest.raises(MalformedError, match="^TPM quote bank: hash algorithm 0x0004"):
        broker(requoted(item, selections=(selection(bank=0x0004),)), agreed=clause(item))


def test_t24_another_boot_chain_with_a_log_of_the_agreed_one_is_refused(item):
    values = dict(parse_report(item.report).values)
    values[4] = b"\x04" * 32
    other = requoted(item, values=values)
    assert other.collateral["event-log"] == EVENT_LOG
    with pytest.raises(IntegrityError, match="^event log: register 4"):
        broker(other, agreed=clause(item))
    with pytest.raises(EvidenceRefusedError, match="^tpm pcr 4:"):
        broker(with_items(other, **{"event-log": None}), agreed=clause(item))


def test_t24_a_quote_of_another_run_is_refused(item):
    other = make_runtime(run="run-00000002")
    with pytest.raises(EvidenceRefusedError, match="^binding:"):
        broker(item, agreed=clause(item), runtime=other)
    prefix = requoted(item, extra_data=bind32(Channel.TPM, BINDING)[:16])
    with pytest.raises(CleanroomError, match="^binding"):
        broker(prefix, agreed=clause(item))


def test_t24_the_binding_of_another_channel_is_refused(item):
    with pytest.raises(EvidenceRefusedError, match="^binding:"):
        broker(requoted(item, extra_data=bind32(Channel.GPU, BINDING)), agreed=clause(item))


@pytest.mark.parametrize(
    "events",
    [
        EVENTS[:2],
        events_of(runner=RUNTIME.runner, contract=Digest.of(b"other"), query=RUNTIME.query),
        (RuntimeEvent(name="shell", digest=Digest.of(b"sh")), *EVENTS),
        (*EVENTS, RuntimeEvent(name="query", digest=Digest.of(b"one more"))),
    ],
)
def test_t24_other_events_in_the_runtime_register_are_refused(tmp_path, item, events):
    other = collector(tmp_path, machine(tmp_path), events=tuple(events)).collect(binding=BINDING)
    with pytest.raises(EvidenceRefusedError, match="^tpm runtime events:"):
        broker(other, agreed=clause(item))


def test_t24_a_runtime_log_of_no_event_proves_no_running_code(tmp_path, item):
    other = collector(tmp_path, machine(tmp_path), events=()).collect(binding=BINDING)
    with pytest.raises(EvidenceRefusedError, match="^tpm runtime log:"):
        broker(other, agreed=clause(item))


def test_t24_a_report_without_a_runtime_log_proves_no_running_code(item):
    with pytest.raises(EvidenceRefusedError, match="^tpm runtime log:"):
        broker(with_report(item, runtime=NoRuntimeLog()), agreed=clause(item))


def test_t24_what_was_extended_before_the_runner_cannot_be_hidden(tmp_path, item):
    fake = machine(tmp_path)
    fake.extend(14, b"somebody was here first".ljust(32))
    with pytest.raises(EvidenceRefusedError, match="^TPM register 14: found extended"):
        collector(tmp_path, fake).collect(binding=BINDING)
    values = dict(parse_report(item.report).values)
    values[14] = fake.registers[14]
    with pytest.raises(IntegrityError, match="^runtime log:"):
        broker(requoted(item, values=values), agreed=clause(item))


def test_t24_a_software_tpm_does_not_pass_for_a_real_one(item):
    soft = replace(item, platform="vtpm-software", collateral={})
    with pytest.raises(EvidenceRefusedError, match="^platform: found vtpm-software, agreed tpm"):
        broker(soft, agreed=clause(item))
    result = broker(soft, agreed=clause(item), platforms=("vtpm-software",))
    assert result.banner.startswith("SOFTWARE TPM - NOT CONFIDENTIAL")
    assert result.status is Status.CONTRAINDICATED
    for mixed in (("vtpm-software", "snp"), ("tpm", "vtpm-software"), ("tpm", "tdx")):
        with pytest.raises(EvidenceRefusedError, match="beside others"):
            broker(soft, agreed=clause(item), platforms=mixed)


def test_t24_no_kind_of_tpm_says_that_it_keeps_memory():
    named = {"tpm", "vtpm-software"}
    kinds = [kind for kind in registry.all_kinds() if kind.name in named]
    assert {kind.name for kind in kinds} == named
    assert not any(kind.verifier.confidential for kind in kinds)
    assert {kind.name for kind in registry.STAND_ALONE} >= named
