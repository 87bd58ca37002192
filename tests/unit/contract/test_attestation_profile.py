# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from dataclasses import replace

import pytest

from cleanroom.contract.attestation_draft import draft_profile
from cleanroom.contract.attestation_plain import plain_profile, waivers
from cleanroom.contract.attestation_profile import UNAPPRAISED, parse_profile
from cleanroom.contract.attestation_render import render_profile
from cleanroom.contract.attestation_terms import (
    CLAUSE_NAMES,
    PLATFORM_CLAUSES,
    GpuClause,
    NoCollateral,
    SnpClause,
    TrustedKeySet,
    Unrestricted,
    Waived,
)
from cleanroom.contract.lint import Severity, lint_profile
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_machines import (
    AZURE_CLAUSE,
    EVERY_CLAUSE,
    GPU_CLAUSE,
    MAA_CLAUSE,
    MAA_ISSUER,
    NITRO_CLAUSE,
    PCR_CLAUSE,
    SIGNER,
    SNP_CLAUSE,
    TDX_CLAUSE,
)
from tests.support.attested_runs import make_profile

YEAR = dt.timedelta(days=300)
DATED = {"snp", "snp-azure-vtpm", "tdx", "tdx-azure-vtpm", "maa-jwt"}


def profile_of(*platforms, clauses=None, age=YEAR, **changes):
    demanded = {kind for name in platforms for kind in PLATFORM_CLAUSES[name]}
    chosen = [clause for clause in EVERY_CLAUSE if type(clause) in demanded]
    dated = bool(DATED & set(platforms))
    return make_profile(
        platforms=frozenset(platforms),
        clauses=tuple(chosen if clauses is None else clauses),
        max_collateral_age=age if dated else NoCollateral(),
        **changes,
    )


def read(profile):
    return parse_profile(render_profile(profile), what="profile.toml")


@pytest.mark.parametrize("platform", sorted(PLATFORM_CLAUSES))
def test_a_profile_of_every_platform_survives_writing_and_reading(platform):
    profile = profile_of(platform)
    assert read(profile) == profile


def test_a_profile_of_several_platforms_has_all_their_clauses():
    profile = profile_of("snp-azure-vtpm", "tdx", "nitro", "gcp-cs-jwt")
    assert read(profile) == profile
    with_gpus = replace(profile, clauses=(*profile.clauses, GPU_CLAUSE))
    assert read(with_gpus) == with_gpus


def test_signers_risks_any_and_waivers_survive():
    clause = replace(
        SNP_CLAUSE,
        products=frozenset({"Milan", "Genoa"}),
        minimum_tcb={
            "Milan": SNP_CLAUSE.minimum_tcb["Genoa"],
            "Genoa": SNP_CLAUSE.minimum_tcb["Genoa"],
        },
        signers=(SIGNER, replace(SIGNER, min_svn=9)),
        risks={"Milan": "the only machine we have"},
        host_data=Unrestricted(),
        committed=Waived(reason="the cloud does not commit"),
    )
    profile = profile_of("snp", clauses=(clause,))
    assert read(profile) == profile
    assert waivers(profile) == (
        "snp committed: the cloud does not commit",
        "snp Milan: the only machine we have",
    )
    pcrs = replace(PCR_CLAUSE, values={4: Unrestricted()}, keys=Unrestricted())
    profile = profile_of("tpm", clauses=(pcrs,), debug=Waived(reason="trial"))
    assert read(profile) == profile
    assert waivers(profile) == ()


@pytest.mark.parametrize("platform", sorted(set(PLATFORM_CLAUSES) - {"simulated"}))
def test_each_clause_that_a_platform_demands_is_mandatory(platform):
    profile = profile_of(platform)
    for missing in profile.clauses:
        rest = tuple(clause for clause in profile.clauses if clause is not missing)
        name = CLAUSE_NAMES[type(missing)]
        with pytest.raises(MalformedError, match=f"attestation.{name}: found no such") as refused:
            read(replace(profile, clauses=rest))
        assert refused.value.code == "contract.missing"


@pytest.mark.parametrize("platform", sorted(PLATFORM_CLAUSES))
def test_a_clause_that_no_platform_reports_is_refused(platform):
    profile = profile_of(platform)
    for extra in EVERY_CLAUSE:
        gpus = isinstance(extra, GpuClause) and not {platform} & {
            "simulated", "tpm", "vtpm-software"
        }  # fmt: skip
        if extra in profile.clauses or gpus:
            continue
        with pytest.raises(MalformedError, match="found a clause, agreed none") as refused:
            read(replace(profile, clauses=(*profile.clauses, extra)))
        assert refused.value.code == "contract.unknown-key"


def test_the_age_of_dated_collateral_is_mandatory_and_nowhere_else_allowed():
    with pytest.raises(MalformedError, match="max_collateral_age_seconds: found none"):
        read(replace(profile_of("snp"), max_collateral_age=NoCollateral()))
    with pytest.raises(MalformedError, match="max_collateral_age_seconds: found one"):
        read(replace(profile_of("nitro"), max_collateral_age=YEAR))
    nitro = profile_of("nitro", clauses=(NITRO_CLAUSE, GPU_CLAUSE))
    with pytest.raises(MalformedError, match="max_collateral_age_seconds: found none"):
        read(nitro)
    read(replace(nitro, max_collateral_age=YEAR))


@pytest.mark.parametrize("platform", ["simulated", "tpm", "vtpm-software"])
def test_what_protects_nothing_stands_alone(platform):
    profile = profile_of(platform, "snp")
    with pytest.raises(MalformedError, match=f"found '{platform}' beside another") as refused:
        read(profile)
    assert refused.value.code == "contract.simulated"


@pytest.mark.parametrize(
    ("change", "clause", "code"),
    [
        ({"products": frozenset({"Rome"})}, "snp.products", "contract.product"),
        ({"minimum_tcb": {}}, "snp.minimum_tcb", "contract.minimum-tcb"),
        ({"products": frozenset()}, "snp.minimum_tcb", "contract.minimum-tcb"),
        ({"risks": {"Genoa": "why not"}}, "snp.risks", "contract.denied-product"),
        (
            {
                "products": frozenset({"Milan"}),
                "minimum_tcb": {"Milan": SNP_CLAUSE.minimum_tcb["Genoa"]},
            },
            "snp.risks",
            "contract.denied-product",
        ),
        (
            {
                "products": frozenset({"Milan"}),
                "minimum_tcb": {"Milan": SNP_CLAUSE.minimum_tcb["Genoa"]},
                "risks": {"Milan": "cheap"},
                "chip_ids": Unrestricted(),
            },
            "snp.chip_ids",
            "contract.denied-product",
        ),
    ],
)
def test_a_product_is_named_with_its_firmware_and_a_broken_one_with_reason_and_chips(
    change, clause, code
):
    profile = profile_of("snp", clauses=(replace(SNP_CLAUSE, **change),))
    with pytest.raises(MalformedError, match=f"attestation.{clause}: found") as refused:
        read(profile)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"runtime": 4}, "contract.pcr-index"),
        ({"runtime": 16}, "contract.pcr-index"),
        ({"values": {23: Unrestricted()}}, "contract.pcr-index"),
        ({"values": {4: frozenset({b"4" * 48})}}, "contract.pcr-length"),
        ({"bank": "sha384"}, "contract.pcr-length"),
    ],
)
def test_a_register_that_a_guest_can_reset_or_that_has_two_rules_is_refused(change, code):
    profile = profile_of("tpm", clauses=(replace(PCR_CLAUSE, **change),))
    with pytest.raises(MalformedError, match=r"attestation.pcrs.values: found") as refused:
        read(profile)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('platforms = ["snp"]', 'platforms = ["snp", "snp"]', "attestation.platforms"),
        ('bank = "sha256"', 'bank = "sha1"', "attestation.pcrs.bank"),
        ("index = 4", "index = 24", "attestation.pcrs.values"),
        ("index = 7", "index = 4", "attestation.pcrs.values: found '4' twice"),
        ('committed = "required"', 'committed = "optional"', "attestation.snp.committed"),
        ('committed = "required"', 'committed = "waived: "', "attestation.snp.committed"),
        ('chip_ids = ["63', 'chip_ids = ["', "attestation.snp.chip_ids"),
        ("vmpl = [0]", "vmpl = [4]", "attestation.snp.vmpl"),
        ("bootloader = 9", "bootloader = 256", "attestation.snp.minimum_tcb"),
        ("bootloader = 9\n", "", "attestation.snp.minimum_tcb"),
        ("vmpl = [0]\n", "", "attestation.snp.vmpl: found no such clause"),
        ("vmpl = [0]", "vmpl = [0]\nvlek = 1", "attestation.snp.vlek: found an unknown clause"),
        ("secure_boot = ", "secureboot = ", "attestation.azure.secureboot"),
    ],
)
def test_one_changed_line_is_refused_by_its_clause(old, new, place):
    clauses = (SNP_CLAUSE, PCR_CLAUSE, AZURE_CLAUSE)
    text = render_profile(profile_of("snp-azure-vtpm", clauses=clauses)).decode()
    text = text.replace('platforms = ["snp-azure-vtpm"]', 'platforms = ["snp"]') if (
        "platforms" in old
    ) else text  # fmt: skip
    assert old in text
    with pytest.raises(MalformedError, match=place.replace("[", r"\[")):
        parse_profile(text.replace(old, new, 1).encode(), what="profile.toml")


def test_a_quote_that_only_one_verifier_looked_at_cannot_be_agreed_to():
    clause = replace(TDX_CLAUSE, tcb_statuses=frozenset({"UpToDate", UNAPPRAISED}))
    with pytest.raises(MalformedError, match="attestation.tdx.tcb_statuses") as refused:
        read(profile_of("tdx", clauses=(clause,)))
    assert refused.value.code == "contract.unappraised"


def test_every_field_of_every_clause_is_written():
    for clause in EVERY_CLAUSE:
        profile = profile_of("snp", clauses=(clause,))
        text = render_profile(profile).decode()
        names = plain_profile(profile)[CLAUSE_NAMES[type(clause)]]
        assert len(names) >= len(type(clause).__slots__)
        for name in names:
            assert name in text


def test_a_register_of_tdx_may_be_any_and_says_so():
    registers = dict(TDX_CLAUSE.registers, rtmr3=Unrestricted())
    profile = profile_of("tdx", clauses=(replace(TDX_CLAUSE, registers=registers),))
    assert 'rtmr3 = "any"' in render_profile(profile).decode()
    assert read(profile) == profile
    assert not [clause for clause in profile.clauses if isinstance(clause, SnpClause)]


def test_the_draft_for_a_software_tpm_is_complete_and_names_it_alone():
    draft = draft_profile(["vtpm-software"], measurements=(Digest.of(b"runner"),), gpus=0)
    (clause,) = draft.clauses
    assert clause.key_trust == {"unproven"}
    assert clause.values == {4: {bytes(32)}, 7: {bytes(32)}}
    assert not [item for item in lint_profile(draft) if item.severity is Severity.ERROR]


def test_the_draft_for_a_tpm_accepts_no_key_until_one_is_named():
    draft = draft_profile(["tpm"], measurements=(), gpus=0)
    (clause,) = draft.clauses
    assert clause.keys == frozenset()
    assert clause.key_trust == {"unproven", "vendor-certificate"}


KEY_SET = TrustedKeySet(
    issuer=MAA_ISSUER,
    digest=Digest.of(b"keys"),
    fetched_at=dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
    max_age=YEAR,
)
GOOGLES = replace(KEY_SET, issuer="https://confidentialcomputing.googleapis.com")


def test_key_sets_that_the_parties_vouch_for_survive():
    maa = profile_of("maa-jwt", key_sets=(KEY_SET,))
    assert read(maa) == maa
    google = replace(profile_of("gcp-cs-jwt"), key_sets=(GOOGLES,), max_collateral_age=YEAR)
    assert read(google) == google
    (vouched,) = plain_profile(google)["key_sets"]
    assert vouched["fetched_at"] == "2026-11-22T00:00:00Z"
    # Without any, a digest of the profile is what it was.
    assert "key_sets" not in plain_profile(profile_of("gcp-cs-jwt"))


@pytest.mark.parametrize(
    ("platform", "key_sets", "match", "code"),
    [
        ("snp", (KEY_SET,), "none: no platform named shows tokens", "contract.unknown-key"),
        ("maa-jwt", (KEY_SET, KEY_SET), "found one twice", "contract.duplicate"),
        ("maa-jwt", (GOOGLES,), "one of the issuers that a clause names", "contract.key-set"),
    ],
)
def test_a_key_set_that_nobody_would_use_is_refused(platform, key_sets, match, code):
    with pytest.raises(MalformedError, match=match) as refused:
        read(profile_of(platform, key_sets=key_sets))
    assert refused.value.code == code


def test_a_key_set_needs_an_agreed_age():
    with pytest.raises(MalformedError, match="max_collateral_age_seconds: found none"):
        read(profile_of("gcp-cs-jwt", key_sets=(GOOGLES,)))


def test_the_image_of_a_token_counts_by_one_of_two_ways():
    clause = replace(MAA_CLAUSE, launch=frozenset(), id_keys=frozenset({bytes(48)}))
    profile = profile_of("maa-jwt", clauses=(clause,), key_sets=(KEY_SET,))
    assert not [item for item in lint_profile(profile) if item.severity is Severity.ERROR]
    nothing = replace(profile, clauses=(replace(clause, id_keys=frozenset()),))
    found = {item.place for item in lint_profile(nothing) if item.severity is Severity.ERROR}
    assert found == {
        "contract.toml: attestation.maa.launch", "contract.toml: attestation.maa.id_keys"
    }  # fmt: skip
    # Without a key set, no token of that service is ever believed.
    places = {item.place for item in lint_profile(replace(profile, key_sets=()))}
    assert "contract.toml: attestation.key_sets" in places
