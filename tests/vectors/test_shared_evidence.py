# SPDX-License-Identifier: Apache-2.0
"""Real evidence of others through the command that strangers use, each with its outcome.

The files lie beside the repository and are not part of it; without them every
test here is skipped.
"""

import json
from pathlib import Path

import pytest

from cleanroom.cli.main import run

SHARED = Path(__file__).parents[3] / "shared" / "vectors"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/vectors is not there")

SNP, AZURE, TDX, GPU = "sev-snp", "azure-cvm", "tdx", "nvidia"
CCC = ("nvidia/ccc_hopper_report.hex", "nvidia/ccc_hopper_certchain.pem")
DRIVER = "nvidia/nvtrust_driver_rim_545.00.swidtag"
VBIOS = "nvidia/nvtrust_vbios_rim_96005E0001_test.swidtag"
SDK = ("nvidia/sdk_hopper_report.hex", "nvidia/sdk_hopper_certchain.pem")
CHALLENGE = b"challenge".hex()

# kind, files (evidence first), time, further options
POSITIVE = {
    "snp-milan-v2": (
        "snp",
        ("sev-snp/trustee_report.bin", "sev-snp/trustee_vcek.der"),
        "2025-01-01",
    ),
    "snp-genoa-v5": (
        "snp",
        ("sev-snp/oak_genoa_report.bin", "sev-snp/oak_genoa_vcek.der"),
        "2026-06-01",
    ),
    "snp-genoa-v5-own-chain": (
        "snp",
        (
            "sev-snp/oak_genoa_report.bin",
            "sev-snp/oak_genoa_vcek.der",
            "sev-snp/genoa_ask_ark.pem",
        ),
        "2026-06-01",
    ),
    "snp-aci-thim": (
        "snp",
        ("sev-snp/ms_sidecar_snp_report.bin", "sev-snp/ms_sidecar_host_amd_cert.json"),
        "2023-06-01",
    ),
    "snp-aci-pem": (
        "snp",
        ("sev-snp/ms_sidecar_snp_report.bin", "sev-snp/ms_sidecar_host_amd_cert.pem"),
        "2023-06-01",
    ),
    "azure-milan-v0": (
        "az-snp-vtpm",
        ("azure-cvm/snp_evidence_v0.json",),
        "2025-06-01",
        "--binding",
        CHALLENGE,
    ),
    "azure-milan-v1": (
        "snp-azure-vtpm",
        ("azure-cvm/snp_evidence_v1.json",),
        "2025-06-01",
        "--binding",
        CHALLENGE,
    ),
    "azure-genoa": ("snp-azure-vtpm", ("azure-cvm/snp_evidence_genoa.json",), "2025-12-01"),
    "azure-separate-files": (
        "az-snp-vtpm",
        (
            "azure-cvm/snp_hcl_report.bin",
            "azure-cvm/snp_tpm_quote_v1.json",
            "azure-cvm/snp_vcek.pem",
        ),
        "2025-06-01",
        "--binding",
        CHALLENGE,
    ),
    "azure-tdx": ("tdx-azure-vtpm", ("azure-cvm/tdx_evidence_v0.json",), "2025-06-20"),
    "azure-td-quote": ("tdx", ("azure-cvm/tdx_td_quote.bin",), "2025-06-20"),
    "tdx-v4-spr": ("tdx", ("tdx/gotdx_spr_e4_v4_quote.dat",), "2025-06-20"),
    "tdx-v4-cos": ("tdx", ("tdx/gotdx_cos113_quote.dat",), "2025-06-20"),
    "tdx-boot-log": (
        "tdx",
        ("tdx/gotdx_cos113_quote.dat", "tdx/gotdx_cos113_ccel_data.dat"),
        "2025-06-20",
    ),
    "tdx-v4-hex": ("tdx", ("tdx/phala_tdx_quote_hex.txt",), "2025-06-20"),
    "tdx-v4-collateral": (
        "tdx",
        ("tdx/phala_tdx_quote.bin", "tdx/phala_tdx_quote_collateral.json"),
        "2025-06-20",
    ),
    "tdx-v5": ("tdx", ("tdx/trustee_tdx_quote_5.dat",), "2025-06-20"),
    "sgx": (
        "sgx-dcap",
        ("sgx/phala_sgx_quote.bin", "sgx/phala_sgx_quote_collateral.json"),
        "2025-06-20",
    ),
    "gpu-manifests": ("nvidia-gpu", (*CCC, DRIVER, VBIOS), "2025-01-01"),
    "gpu-550": (
        "nvidia-gpu",
        ("nvidia/nvtrust_hopper_report.hex", "nvidia/nvtrust_hopper_certchain.pem"),
        "2026-01-01",
    ),
    "gpu-535": ("nvidia-gpu", SDK, "2026-01-01"),
    "gpu-570": (
        "nvidia-gpu",
        ("nvidia/sdk_hopper_report_expired.hex", "nvidia/sdk_hopper_certchain_expired.pem"),
        "2026-01-01",
    ),
    "gpu-json": ("nvidia-gpu", ("nvidia/sdk_hopper_evidence.json",), "2026-01-01"),
    "gpu-json-590": ("nvidia-gpu", ("nvidia/sdk_hopper_590_12.json",), "2026-01-01"),
    "gpu-eight": ("nvidia-gpu", ("nvidia/nvtrust_ppcie_gpu_evidence.json",), "2026-01-01"),
    "switch": ("nvidia-switch", ("nvidia/sdk_switch_evidence_ls10.json",), "2026-01-01"),
    "switch-four": (
        "nvidia-switch",
        ("nvidia/nvtrust_ppcie_switch_evidence.json",),
        "2026-01-01",
    ),
    "nras": (
        "nras-eat",
        ("nvidia/sdk_hopper_nras_detached_eat.json",),
        "1749601900",
        "--trust-keys",
        "nvidia/nras_jwks_recovered.json",
    ),
    "tpm-guest": (
        "tpm",
        ("tpm-vm/measured_boot_vm_evidence.json",),
        "2026-11-22",
        "--binding",
        "115271cabc1096f0ddf98d8a63fe312fdb092d1a558b4712650514b5f59e1c37",
    ),
    "tpm": ("tpm", ("tpm/trustee_tpm_evidence.json",), "2025-01-01"),
    "nitro": ("nitro", ("nitro/evervault_valid.cose",), "2022-10-13T08:58:02Z"),
    "nitro-with-its-root": (
        "nitro",
        ("nitro/evervault_valid.cose", "nitro/aws_nitro_root_g1.pem"),
        "2022-10-13T08:58:02Z",
    ),
    "gpu-with-its-roots": (
        "nvidia-gpu",
        (*CCC, DRIVER, VBIOS, "nvidia/device_root.pem", "nvidia/rim_root.pem"),
        "2025-01-01",
    ),
    "gpu-on-hold-without-answers": (
        "nvidia-gpu",
        ("nvidia/sdk_hopper_evidence_cert_hold.json",),
        "2025-06-01",
    ),
    "tdx-with-its-root": (
        "tdx",
        (
            "tdx/phala_tdx_quote.bin",
            "tdx/phala_tdx_quote_collateral.json",
            "tdx/intel_sgx_root_ca.pem",
        ),
        "2025-06-20",
    ),
    "tdx-of-no-nonce": (
        "tdx",
        ("tdx/gotdx_cos113_quote.dat",),
        "2025-06-20",
        "--binding",
        "00" * 64,
    ),
    "azure-genoa-with-its-certificate": (
        "az-snp-vtpm",
        ("azure-cvm/snp_evidence_genoa.json", "azure-cvm/snp_vcek_genoa.pem"),
        "2025-12-01",
    ),
}
# the same, then the exit status and how the reason begins
NEGATIVE = {
    "snp-debug": (
        (
            "snp",
            ("sev-snp/gosev_milan_v2_report.bin", "sev-snp/gosev_milan_v2_vcek.der"),
            "2025-01-01",
        ),
        (3, "debug: found on"),
    ),
    "snp-other-chip": (
        (
            "snp",
            ("sev-snp/trustee_report.bin", "sev-snp/trustee_vcek_invalid_legacy.der"),
            "2025-01-01",
        ),
        (5, "snp vek:"),
    ),
    "snp-vlek-for-vcek": (
        ("snp", ("sev-snp/trustee_report.bin", "sev-snp/trustee_vlek.der"), "2025-06-01"),
        (5, "snp signing key:"),
    ),
    "snp-wrong-product": (
        ("snp", ("sev-snp/oak_genoa_report.bin", "sev-snp/oak_turin_vcek.der"), "2026-06-01"),
        (5, "snp product:"),
    ),
    "snp-too-early": (
        ("snp", ("sev-snp/oak_genoa_report.bin", "sev-snp/oak_genoa_vcek.der"), "2024-06-01"),
        (3, "snp vek: judged at 2024-06-01"),
    ),
    "snp-chain-of-another-product": (
        (
            "snp",
            (
                "sev-snp/oak_genoa_report.bin",
                "sev-snp/oak_genoa_vcek.der",
                "sev-snp/milan_ask_ark.pem",
            ),
            "2026-06-01",
        ),
        (5, "snp root: found sha256:69d063b4"),
    ),
    "snp-certificate-of-another-machine": (
        ("snp", ("sev-snp/trustee_report.bin", "sev-snp/virtee_milan_vcek.der"), "2025-01-01"),
        (5, "snp report: the signature"),
    ),
    "snp-certificates-of-another-host": (
        (
            "snp",
            ("sev-snp/ms_sidecar_snp_report.bin", "sev-snp/ms_secctx_host_amd_cert.b64"),
            "2023-06-01",
        ),
        (5, "snp report: the signature"),
    ),
    "snp-no-certificate": (("snp", ("sev-snp/oak_genoa_report.bin",), "2026-06-01"), (4, "snp ev")),
    "snp-wrong-kind": (("tdx", ("sev-snp/oak_genoa_report.bin",), "2026-06-01"), (4, "")),
    "azure-other-nonce": (
        ("snp-azure-vtpm", ("azure-cvm/snp_evidence_v1.json",), "2025-06-01", "--binding", "00"),
        (3, "nonce:"),
    ),
    "azure-nonce-prefix": (
        (
            "snp-azure-vtpm",
            ("azure-cvm/snp_evidence_v1.json",),
            "2025-06-01",
            "--binding",
            CHALLENGE[:-2],
        ),
        (3, "nonce:"),
    ),
    "azure-certificate-of-another-machine": (
        (
            "snp-azure-vtpm",
            (
                "azure-cvm/kinvolk_hcl_report_snp.bin",
                "azure-cvm/snp_tpm_quote_v1.json",
                "azure-cvm/kinvolk_certs.pem",
            ),
            "2025-06-01",
        ),
        (5, "snp report: the signature"),
    ),
    "azure-no-register-values": (
        (
            "snp-azure-vtpm",
            (
                "azure-cvm/snp_hcl_report.bin",
                "azure-cvm/snp_tpm_quote.msg",
                "azure-cvm/snp_tpm_quote.sig",
                "azure-cvm/snp_vcek.pem",
            ),
            "2025-06-01",
        ),
        (4, "azure evidence: found no register values"),
    ),
    "tpm-guest-other-nonce": (
        ("tpm", ("tpm-vm/measured_boot_vm_evidence.json",), "2026-11-22", "--binding", "00"),
        (3, "nonce:"),
    ),
    "tdx-debug": (("tdx", ("tdx/trustee_tdx_quote_4.dat",), "2025-06-20"), (3, "debug: found on")),
    "tdx-log-of-another-machine": (
        ("tdx", ("tdx/phala_tdx_quote.bin", "tdx/gotdx_cos113_ccel_data.dat"), "2025-06-20"),
        (5, "event log: register 1 replays to"),
    ),
    "tdx-pieces-of-another-platform": (
        (
            "tdx",
            (
                "tdx/phala_tdx_quote.bin",
                "tdx/gotdx_tcbinfo.json",
                "tdx/gotdx_qeidentity.json",
                "tdx/gotdx_pckcrl",
                "tdx/gotdx_rootcrl.der",
            ),
            "2023-06-20",
        ),
        (4, "dcap collateral: found root crl, pck crl, tcb info, qe identity, missing"),
    ),
    "tdx-old-collateral": (
        ("tdx", ("tdx/phala_tdx_quote.bin", "tdx/phala_tdx_quote_collateral.json"), "2026-11-22"),
        (3, "intel "),
    ),
    "gpu-other-chain": (("nvidia-gpu", (CCC[0], SDK[1]), "2025-01-01"), (5, "nvidia report:")),
    "gpu-manifest-expired": (
        ("nvidia-gpu", (*CCC, DRIVER, VBIOS), "2026-01-01"),
        (3, "nvidia manifest: judged at 2026-01-01"),
    ),
    "gpu-other-measurements": (
        (
            "nvidia-gpu",
            (*CCC, DRIVER, "nvidia/nvtrust_vbios_rim_1010_0200_882_96005E0001.swidtag"),
            "2025-01-01",
        ),
        (3, "nvidia measurements:"),
    ),
    "gpu-manifest-signature": (
        ("nvidia-gpu", (*SDK, "nvidia/sdk_driver_rim_bad_signature.xml"), "2025-06-01"),
        (5, "nvidia manifest:"),
    ),
    "gpu-manifest-of-another-digest": (
        ("nvidia-gpu", (*SDK, "nvidia/sdk_driver_rim_535.86.09_mismatch.xml"), "2025-06-01"),
        (5, "nvidia manifest:"),
    ),
    "gpu-other-vbios": (
        ("nvidia-gpu", (*CCC, DRIVER, "nvidia/trustee_rim.b64"), "2025-01-01"),
        (3, "nvidia vbios-rim: found GH100 96.00.74.00.1c"),
    ),
    "gpu-vbios-mismatch": (
        (
            "nvidia-gpu",
            (*CCC, DRIVER, "nvidia/sdk_vbios_rim_96005E0001_mismatch.xml"),
            "2025-01-01",
        ),
        (3, "nvidia measurements:"),
    ),
    "nras-claims-alone": (
        ("nras-eat", ("nvidia/sdk_hopper_nras_claims.json",), "2025-06-10"),
        (4, "nras-eat: found an object without a token"),
    ),
    "maa-claims-alone": (
        ("maa-jwt", ("maa/cvm_token_payload_example.json",), "2025-06-10"),
        (4, "maa-jwt: found an object without a token"),
    ),
    "gpu-manifest-chain": (
        ("nvidia-gpu", (*SDK, "nvidia/sdk_driver_rim_bad_chain.xml"), "2025-06-01"),
        (5, "nvidia manifest"),
    ),
    "gpu-other-version": (
        ("nvidia-gpu", (*SDK, "nvidia/sdk_driver_rim_550.144.03.xml"), "2025-06-01"),
        (3, "nvidia driver-rim:"),
    ),
    "nras-unvouched": (
        (
            "nras-eat",
            ("nvidia/sdk_hopper_nras_detached_eat.json", "nvidia/nras_jwks_recovered.json"),
            "1749601900",
        ),
        (5, "nras token key set:"),
    ),
    "nras-staging": (
        (
            "nras-eat",
            ("nvidia/sdk_switch_nras_detached_eat.json",),
            "1749601900",
            "--trust-keys",
            "nvidia/nras_jwks_recovered.json",
        ),
        (3, "nras token issuer:"),
    ),
    "nitro-debug": (
        ("nitro", ("nitro/evervault_ga.b64",), "2023-09-18T15:03:30Z"),
        (3, "debug: found on"),
    ),
    "nitro-later": (
        ("nitro", ("nitro/evervault_valid.cose",), "2022-10-15"),
        (3, "nitro document: judged at 2022-10-15"),
    ),
    "tpm-log-of-another-machine": (
        (
            "tpm",
            ("tpm/trustee_tpm_evidence.json", "tpm/eventlog_cos_101_amd_sev.bin"),
            "2025-01-01",
        ),
        (5, "event log:"),
    ),
    "gcp-unsigned": (
        ("gcp-cs-jwt", ("gcp/confidential_space_claims_example.json",), "2025-01-01"),
        (4, ""),
    ),
    "gcp-debug-unsigned": (
        ("gcp-cs-jwt", ("gcp/confidential_space_debug_claims_example.json",), "2025-01-01"),
        (4, ""),
    ),
    "maa-unknown-key": (
        (
            "maa-jwt",
            ("maa/sev_snp_jwt.txt",),
            "2021-01-01",
            "--trust-keys",
            "maa/maa_certs_response.json",
            "--issuer",
            "https://sharedeus2.eus2.attest.azure.net",
        ),
        (5, "maa token:"),
    ),
}


def verify(capsys, kind, files, at, *options):
    evidence, *collateral = (SHARED / name for name in files)
    args = ["attest", "verify", "--kind", kind, "--evidence", evidence, "--at", at, "--json"]
    for path in collateral:
        args += ["--collateral", path]
    args += [
        SHARED / item if "/" in item and (SHARED / item).is_file() else item for item in options
    ]
    status = run([str(item) for item in args])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", POSITIVE)
def test_genuine_evidence_verifies_to_the_pinned_root_at_its_time(name, capsys):
    status, value = verify(capsys, *POSITIVE[name])
    assert status == 0, value
    assert value["verified"] is True


@pytest.mark.parametrize("name", NEGATIVE)
def test_each_other_file_is_refused_for_its_own_reason(name, capsys):
    case, (status, reason) = NEGATIVE[name]
    found, value = verify(capsys, *case)
    assert found == status, value
    assert value["error"]["message"].startswith(reason)
    assert value["verified"] is False
    assert value["failed"]["check"] == value["error"]["message"].partition(": ")[0]
    # What has the right form came at least so far; other files came nowhere.
    assert bool(value["checks"]) is (status != 4)


def test_a_contract_that_accepts_nothing_is_not_affected_by_what_verifies(capsys):
    # Debug evidence that a reader looks at all the same stays debug evidence.
    case = NEGATIVE["tdx-debug"][0]
    status, value = verify(capsys, *case, "--accept-debug")
    assert status == 0
    assert value["claims"]["debug"] is True
