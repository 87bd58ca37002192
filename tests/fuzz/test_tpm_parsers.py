# SPDX-License-Identifier: Apache-2.0
"""Whatever a TPM, a kernel or a stranger hands out: a value, or an error of the tree (T-18)."""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.event_log import parse_event_log, replay
from cleanroom.attestation.platforms.tpm.ima import parse_ima_log, parse_ima_text
from cleanroom.attestation.platforms.tpm.intake import intake, recognises
from cleanroom.attestation.platforms.tpm.parse import parse_quote, parse_signature
from cleanroom.attestation.platforms.tpm.public import load_bare_key, parse_public
from cleanroom.attestation.platforms.tpm.report import encode_report, parse_report
from cleanroom.attestation.platforms.tpm.verify import TpmVerifier
from tests.support.fuzzed import edited, only_tree_errors
from tests.support.test_pki import AT
from tests.support.tpm_evidence import EVENT_LOG, IMA_LOG, ROOT, SELECTION, collected
from tests.support.tpm_fake import FakeTpm
from tests.support.tpm_forge import AK, RSA_AK, ForgedQuote
from tests.support.tpm_logs import ima_line

THREATS = ("T-18",)
MODEST = settings(max_examples=100, deadline=None)
MESSAGE = ForgedQuote().encode()
VERIFIER = TpmVerifier(name="tpm", roots=(ROOT.pin,))
with tempfile.TemporaryDirectory() as directory:
    ITEM = collected(Path(directory) / "machine", certified=True)
CLAIMS = VERIFIER.verify(ITEM, at=AT)


@MODEST
@given(st.binary(max_size=300) | edited(MESSAGE))
def test_a_quote_from_any_bytes(data):
    quote = only_tree_errors(parse_quote, data)
    assert quote is None or quote.raw == data


@MODEST
@given(
    st.binary(max_size=400) | edited(AK.sign(MESSAGE)) | edited(AK.public) | edited(RSA_AK.public)
)
def test_signatures_and_keys_from_any_bytes(data):
    only_tree_errors(parse_signature, data)
    load = partial(load_bare_key, scheme=Scheme.RSASSA, hashed=Hash.SHA256)
    only_tree_errors(load, data)
    public = only_tree_errors(parse_public, data)
    assert public is None or public.raw == data


@MODEST
@given(st.binary(max_size=400) | edited(EVENT_LOG))
def test_a_firmware_log_from_any_bytes(data):
    log = only_tree_errors(parse_event_log, data)
    for bank in log.banks if log else ():
        only_tree_errors(replay, log, bank=bank)


@MODEST
@given(st.binary(max_size=400) | edited(IMA_LOG) | edited(ima_line(b"/x", b"y") * 2))
def test_an_ima_log_from_any_bytes(data):
    only_tree_errors(parse_ima_log, data)
    only_tree_errors(parse_ima_text, data)


@MODEST
@given(st.binary(max_size=400) | edited(ITEM.report))
def test_a_report_from_any_bytes(data):
    report = only_tree_errors(parse_report, data)
    assert report is None or encode_report(report) == data


@MODEST
@given(
    st.binary(max_size=300) | edited(MESSAGE) | edited(ITEM.report),
    st.lists(
        st.binary(max_size=300) | edited(AK.public) | edited(AK.sign(MESSAGE)) | edited(EVENT_LOG),
        max_size=4,
    ),
)
def test_files_of_strangers_of_any_bytes(report, files):
    recognises(report)
    only_tree_errors(intake, report, files)


@MODEST
@given(st.sampled_from(["report", *ITEM.collateral]), st.data())
def test_edited_evidence_says_the_same_or_nothing(name, data):
    good = ITEM.report if name == "report" else ITEM.collateral[name]
    changed = data.draw(edited(good))
    item = (
        replace(ITEM, report=changed)
        if name == "report"
        else replace(ITEM, collateral={**ITEM.collateral, name: changed})
    )
    claims = only_tree_errors(VERIFIER.verify, item, at=AT)
    # White space around a PEM block and 0xFF behind a log change nothing that was signed.
    assert claims is None or claims.facts == CLAIMS.facts


@MODEST
@given(st.data())
def test_a_client_survives_any_answer(data):
    fake = FakeTpm(twist=lambda _, response: data.draw(edited(response)))
    fake.store(1, b"content")

    def ask():
        tpm = Tpm(fake)
        tpm.read_registers(SELECTION)
        tpm.read_index(1)
        with tpm.attestation_key() as key:
            tpm.quote(key, qualifying_data=b"run", selection=SELECTION)

    only_tree_errors(ask)


def test_the_good_evidence_is_good():
    assert len(CLAIMS.facts) == 1
