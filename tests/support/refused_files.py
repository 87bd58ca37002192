# SPDX-License-Identifier: Apache-2.0
"""Real evidence of others that must be refused, each for its own reason."""

from tests.support.genuine_files import CCC, CHALLENGE, DRIVER, SDK, VBIOS

# the same, then the exit status and how the reason begins
REFUSED = {
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
    "uvm-endorsement-expired": (
        ("azure-uvm", ("sev-snp/ms_sidecar_uvm_reference_info.cose",), "2024-06-01"),
        (3, "uvm endorsement: judged at 2024-06-01"),
    ),
    "uvm-endorsement-of-another-kind": (
        ("azure-uvm", ("nitro/evervault_valid.cose",), "2022-10-13T08:58:02Z"),
        (4, "kind: found what looks like nitro, agreed azure-uvm"),
    ),
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
    "manifest-signature": (
        ("nvidia-rim", ("nvidia/sdk_driver_rim_bad_signature.xml",), "2025-06-01"),
        (5, "nvidia manifest:"),
    ),
    "manifest-chain": (
        ("nvidia-rim", ("nvidia/sdk_driver_rim_bad_chain.xml",), "2025-06-01"),
        (5, "nvidia manifest root: found"),
    ),
    "manifest-expired": (
        ("nvidia-rim", (DRIVER,), "2026-01-01"),
        (3, "nvidia manifest: judged at 2026-01-01"),
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
