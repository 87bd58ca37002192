# SPDX-License-Identifier: Apache-2.0
"""Real evidence of others that is genuine: files below ``../shared/vectors``, and when."""

CCC = ("nvidia/ccc_hopper_report.hex", "nvidia/ccc_hopper_certchain.pem")
DRIVER = "nvidia/nvtrust_driver_rim_545.00.swidtag"
VBIOS = "nvidia/nvtrust_vbios_rim_96005E0001_test.swidtag"
SDK = ("nvidia/sdk_hopper_report.hex", "nvidia/sdk_hopper_certchain.pem")
CHALLENGE = b"challenge".hex()

# kind, files (evidence first), time, further options
GENUINE = {
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
    "snp-aci-endorsed": (
        "snp",
        (
            "sev-snp/ms_sidecar_snp_report.bin",
            "sev-snp/ms_sidecar_host_amd_cert.pem",
            "sev-snp/ms_sidecar_uvm_reference_info.cose",
        ),
        "2023-06-01",
    ),
    "uvm-endorsement": (
        "azure-uvm",
        ("sev-snp/ms_sidecar_uvm_reference_info.cose",),
        "2023-06-01",
    ),
    "uvm-endorsement-text": (
        "azure-uvm",
        ("sev-snp/ms_secctx_reference_info.b64",),
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
    "azure-bincode": (
        "az-snp-vtpm",
        (
            "azure-cvm/snp_hcl_report.bin",
            "azure-cvm/snp_quote_bincode.bin",
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
    "manifest-550": ("nvidia-rim", ("nvidia/sdk_driver_rim_550.144.03.xml",), "2025-06-01"),
    "manifest-text": ("nvidia-rim", ("nvidia/trustee_rim.b64",), "2024-06-01"),
    "manifest-with-its-root": (
        "nvidia-rim",
        ("nvidia/nvtrust_vbios_rim_1010_0200_882_960074001A.swidtag", "nvidia/rim_root.pem"),
        "2024-06-01",
    ),
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
