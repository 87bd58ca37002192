# SPDX-License-Identifier: Apache-2.0
import http.server
import json
import socketserver
import threading
from pathlib import Path

import pytest

from cleanroom.attestation.binding import Channel, expected_in
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.confidential_space import KINDS
from cleanroom.attestation.platforms.confidential_space.collect import (
    SOCKET,
    ConfidentialSpaceCollector,
    ask_launcher,
)
from cleanroom.attestation.platforms.confidential_space.verify import ConfidentialSpaceVerifier
from cleanroom.errors import (
    EvidenceRefusedError,
    IntegrityError,
    MalformedError,
    UnavailableError,
)
from cleanroom.kernel.digest import Digest
from tests.support.shared_vectors import shared_vector
from tests.support.test_pki import AT, NOT_AFTER, ec_key, issue, make_root
from tests.support.token_forge import (
    CS_ISSUER,
    MAA_ISSUER,
    NONCE_TEXT,
    NOW,
    cs_claims,
    rsa_set,
    sign_token,
    signing_ec,
    signing_rsa,
    token_chain,
    vouch,
    x5c,
)

VERIFIER = ConfidentialSpaceVerifier(root=token_chain()[-1].pin)
BINDING = bytes(range(64))
(KIND,) = KINDS


def pki_token(claims=None, chain=None, **header):
    certificates = x5c(token_chain() if chain is None else chain)
    given = {"kid": None, "x5c": certificates} | header
    return sign_token(cs_claims() if claims is None else claims, signing_rsa(), **given)


def verify(claims=None, *, token=None, at=AT, collateral=None, verifier=VERIFIER):
    report = pki_token(claims) if token is None else token
    item = EvidenceItem(platform="gcp-cs-jwt", report=report, collateral=collateral or {})
    return verifier.verify(item, at=at)


def test_a_token_below_the_pinned_root_says_what_runs():
    claims = verify()
    (facts,) = claims.facts
    assert facts.image == Digest.parse("sha256:" + "ab" * 32)
    assert facts.arguments == ("/runner",)
    assert facts.environment == {"PATH": "/bin"}
    assert facts.support == {"LATEST", "STABLE", "USABLE"}
    assert (facts.audience, facts.project, facts.hardware) == (
        "cleanroom",
        "project",
        "GCP_INTEL_TDX",
    )
    assert [item.found for item in claims.carried] == [NONCE_TEXT.encode()]
    assert not claims.debug
    assert claims.collateral == ()


def test_the_verifier_declares_what_its_claims_carry():
    claims = verify()
    assert VERIFIER.platform == claims.platform == KIND.name
    assert VERIFIER.confidential
    assert VERIFIER.carriers == {item.place: item.channel for item in claims.carried}
    assert VERIFIER.nonce_place in VERIFIER.carriers
    assert tuple(map(type, claims.facts)) == VERIFIER.facts


def test_a_token_by_a_key_set_that_was_vouched_for_counts_too():
    trusting = VERIFIER.trusting(vouch(rsa_set(), CS_ISSUER))
    token = sign_token(cs_claims(), signing_rsa())
    claims = verify(token=token, collateral={"key-set": rsa_set()}, verifier=trusting)
    assert [item.name for item in claims.collateral] == ["key-set"]
    with pytest.raises(IntegrityError) as refused:
        verify(token=token, collateral={"key-set": rsa_set()})
    assert refused.value.code == "token.key-set"
    with pytest.raises(MalformedError) as missing:
        verify(token=token, verifier=trusting)
    assert missing.value.code == "token.collateral"


def test_a_key_set_of_another_service_signs_no_token_of_google():
    trusting = VERIFIER.trusting(vouch(rsa_set(), MAA_ISSUER))
    token = sign_token(cs_claims(), signing_rsa())
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(token=token, collateral={"key-set": rsa_set()}, verifier=trusting)
    assert refused.value.code == "token.issuer"


def test_a_root_in_the_header_is_not_believed():
    with pytest.raises(IntegrityError, match="^confidential space token root: found sha256:"):
        verify(token=pki_token(chain=token_chain("own root")))


def test_the_pinned_root_behind_an_own_chain_is_not_believed():
    mixed = (*token_chain("own root")[:-1], token_chain()[-1])
    with pytest.raises(IntegrityError, match="did not sign"):
        verify(token=pki_token(chain=mixed))


def test_a_certificate_that_signs_certificates_signs_no_token():
    signer = issue("ca", issuer=token_chain()[-1], key=signing_rsa(), ca=True)
    with pytest.raises(IntegrityError, match="may not sign evidence"):
        verify(token=pki_token(chain=(signer, token_chain()[-1])))


def test_a_certificate_of_another_kind_of_key_is_refused():
    leaf = issue("ec leaf", issuer=token_chain()[-1], key=ec_key("token"))
    chain = x5c((leaf, token_chain()[-1]))
    with pytest.raises(MalformedError, match="agreed an RSA one"):
        verify(token=sign_token(cs_claims(), signing_ec(), kid=None, x5c=chain))


@pytest.mark.parametrize("certificates", [[], "x", ["!"], [1], ["AAAA"], x5c(token_chain()) * 3])
def test_certificates_of_another_form_are_refused(certificates):
    with pytest.raises(MalformedError, match="^confidential space token"):
        verify(token=pki_token(x5c=certificates))


def test_a_chain_out_of_its_time_is_refused():
    late = int(NOT_AFTER.timestamp())
    claims = cs_claims(iat=late, nbf=late, exp=late + 100)
    with pytest.raises(EvidenceRefusedError, match="judged at 2046"):
        verify(claims, at=NOT_AFTER.replace(minute=1))


def test_a_token_with_certificates_needs_nothing_beside_them():
    with pytest.raises(MalformedError) as refused:
        verify(collateral={"key-set": rsa_set()})
    assert refused.value.code == "token.collateral"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://accounts.google.com"}, "token.issuer"),
        ({"exp": NOW}, "token.expired"),
        ({"nbf": NOW + 100}, "token.not-yet-valid"),
        ({"swname": "GCE"}, "gcp.software"),
    ],
)
def test_a_token_of_another_word_is_refused(changes, code):
    with pytest.raises(EvidenceRefusedError) as refused:
        verify(cs_claims(**changes))
    assert refused.value.code == code


@pytest.mark.parametrize("state", ["enabled", "disabled", "disabled-permanently", ""])
def test_anything_but_off_since_boot_is_debug_mode(state):
    assert verify(cs_claims(dbgstat=state)).debug


def test_overrides_of_the_operator_are_claimed():
    changes = {"container/cmd_override": ["--evil"], "container/env_override": {"B": "2", "A": "1"}}
    assert verify(cs_claims(**changes)).facts[0].overrides == ("--evil", "A=1", "B=2")


def test_an_unsupported_image_has_no_support():
    assert (
        verify(cs_claims(**{"confidential_space/support_attributes": None})).facts[0].support
        == set()
    )


@pytest.mark.parametrize(
    ("nonce", "found"), [(["a"], b"a"), (["a", "b"], b"a\nb"), ([], b""), (None, b"")]
)
def test_several_nonces_are_no_single_one(nonce, found):
    assert verify(cs_claims(eat_nonce=nonce)).carried[0].found == found


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"aud": ["a", "b"]},
        {"hwmodel": 1},
        {"swname": None},
        {"dbgstat": None},
        {"secboot": "true"},
        {"submods": []},
        {"submods": {}},
        {"container/image_digest": None},
        {"container/image_digest": "sha512:00"},
        {"container/args": "x"},
        {"container/args": [1]},
        {"container/args": ["x"] * 257},
        {"container/env": []},
        {"container/env": {"A": 1}},
        {"container/cmd_override": {}},
        {"gce/project_id": None},
        {"google_service_accounts": "a"},
        {"eat_nonce": 7},
        {"eat_nonce": [7]},
    ],
)
def test_a_claim_of_another_form_is_refused(changes):
    with pytest.raises(MalformedError, match="^confidential space token"):
        verify(cs_claims(**changes))


class Launcher(http.server.BaseHTTPRequestHandler):
    """Google's launcher: one target, one answer."""

    status = 200

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/token"
        assert body["token_type"] == "PKI"
        token = pki_token(cs_claims(aud=body["audience"], eat_nonce=body["nonces"]))
        self.send_response(type(self).status)
        self.send_header("Content-Length", str(len(token)))
        self.end_headers()
        self.wfile.write(token)

    def address_string(self):
        return "launcher"

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def machine(tmp_path, monkeypatch):
    # A socket's path has at most 108 bytes, so the machine's root is where we stand.
    (tmp_path / SOCKET).parent.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Launcher, "status", 200)
    with socketserver.UnixStreamServer(str(SOCKET), Launcher) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Path()
        server.shutdown()
        thread.join()


def collector(root):
    return ConfidentialSpaceCollector(root=root, audience="cleanroom", ask=ask_launcher)


def test_a_token_is_collected_over_the_launchers_socket(machine):
    assert collector(machine).missing() == ()
    item = collector(machine).collect(binding=BINDING)
    assert item.platform == collector(machine).platform == "gcp-cs-jwt"
    claims = VERIFIER.verify(item, at=AT)
    assert claims.carried[0].found == expected_in(Channel.TOKEN, BINDING)


def test_a_launcher_that_refuses_is_unavailable(machine, monkeypatch):
    monkeypatch.setattr(Launcher, "status", 500)
    with pytest.raises(UnavailableError, match="answered with status 500"):
        collector(machine).collect(binding=BINDING)


def test_a_machine_without_a_launcher_says_so(tmp_path):
    (sentence,) = collector(tmp_path).missing()
    assert str(tmp_path / SOCKET) in sentence
    with pytest.raises(UnavailableError, match="does not answer") as refused:
        collector(tmp_path).collect(binding=BINDING)
    assert refused.value.code == "gcp.launcher"


def test_an_answer_that_is_no_token_is_malformed(tmp_path):
    given = ConfidentialSpaceCollector(root=tmp_path, audience="a", ask=lambda *_: b"no token")
    with pytest.raises(MalformedError, match="^confidential space token"):
        given.collect(binding=BINDING)


def test_strangers_files_become_evidence():
    token = pki_token()
    assert KIND.recognises(token)
    assert KIND.intake(token + b"\n", []).report == token
    assert KIND.collateral_requests(KIND.intake(token, [])) == ()
    plain = sign_token(cs_claims(), signing_rsa())
    assert KIND.intake(plain, [rsa_set()]).collateral == {"key-set": rsa_set()}
    (request,) = KIND.collateral_requests(KIND.intake(plain, []))
    assert request.name == "key-set"
    for other in (b"", b"eyJ.!.!", b"eyJ.e30", sign_token({"swname": "GCE"}, signing_rsa())):
        assert not KIND.recognises(other)


def test_the_pinned_root_may_be_given_and_adds_nothing():
    root = shared_vector("gcp", "confidential_space_root.pem")
    assert KIND.intake(pki_token(), [root]).collateral == {}


def test_another_root_is_no_key_set():
    item = KIND.intake(pki_token(), [make_root("own root").pem])
    assert set(item.collateral) == {"key-set"}
    with pytest.raises(MalformedError):
        VERIFIER.verify(item, at=AT)
