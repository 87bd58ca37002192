# SPDX-License-Identifier: Apache-2.0
"""Known mistakes of verifiers, each as the change of our source that makes it."""

from __future__ import annotations

from collections.abc import Mapping

Change = tuple[str, str, str]

_P = "platforms."
# Mistake, as its row begins, to module below cleanroom.attestation, what is taken out, what
# comes instead.
CHANGES: Mapping[str, Change] = {
    "root, issuer": (
        f"{_P}sev_snp.chain",
        'require_issued(issuers.middle, issuers.ark, what="snp issuer")',
        "pass",
    ),
    "the pinned root stands": (
        "certificates",
        "require_issued(child, issuer, what=what)",
        "pass",
    ),
    "bytes behind the end": (f"{_P}sev_snp.parse", "if len(report) != REPORT_BYTES:", "if False:"),
    "fields are written": (
        f"{_P}tdx.collateral",
        'require_p256_signature(signer, _hex(texts, f"{name}_signature"), raw, what=what)',
        "pass",
    ),
    "an expected value": (
        "binding",
        "expected_in(channel, binding), found)",
        "expected_in(channel, binding)[: len(found)], found)",
    ),
    "wrong label": (
        "binding",
        "expected_in(channel, binding), found)",
        "expected_in(channel, binding)[:32], found[:32])",
    ),
    "the nonce is optional": (
        "verifier",
        "if found != declared or not verifier.carriers:",
        "if False:",
    ),
    "a signature that holds": (
        "appraisal",
        "if _appraise_document(fact, clause):\n            return None\n",
        "if _appraise_document(fact, clause):\n            return None\n    return None\n",
    ),
    "an empty list accepts": (
        "agreed",
        "or found in allowed",
        "or not allowed or found in allowed",
    ),
    "unknown kind": (
        "trust",
        "if name not in known:",
        "known.setdefault(name, next(iter(known.values())))\n    if name not in known:",
    ),
    "unknown version": (f"{_P}sev_snp.parse", "if version not in VERSIONS:", "if False:"),
    "debug mode is silent": (
        f"{_P}maa.parse",
        "debug=debuggable or any(attached),",
        "debug=any(attached),",
    ),
    "expired collateral": ("revocation", "if at > not_after:", "if False:"),
    "simulation beside": ("trust", "if len(profile.platforms) > 1:", "if False:"),
    "REPORTED_TCB": (f"{_P}sev_snp.verify", "_require_tcb(parsed, vek, product)\n", "pass\n"),
    "a VLEK passes": (f"{_P}sev_snp.verify", "_require_key_kind(parsed, vek)\n", "pass\n"),
    "an ASK that": (
        f"{_P}sev_snp.chain",
        'middle.require(Digest.of(found[0]), what="snp issuer")',
        "pass",
    ),
    "VMPL, product": ("appraise_cpu", 'require_in("snp vmpl", facts.vmpl, clause.vmpl)', "pass"),
    "masked CHIP_ID": (f"{_P}sev_snp.verify", "_require_chip(parsed, vek)\n", "pass\n"),
    "a masked chip": (
        "appraise_cpu",
        "if facts.chip_id == bytes(CHIP_ID_BYTES) and isinstance(clause.chip_ids, frozenset):",
        "if False:",
    ),
    "reports before version 3": (
        "appraise_cpu",
        "if facts.version < FIRST_VERSION_WITH_PROCESSOR:",
        "if False:",
    ),
    "Milan after": (
        "appraise_cpu",
        'require_in("snp product", facts.product, clause.products)',
        "pass",
    ),
    "the sum or the word": (
        "appraise_cpu",
        "if version < least[component]:",
        "if sum(facts.tcb.values()) < sum(least.values()):",
    ),
    "a zero id key": (
        "appraise_cpu",
        "if facts.id_key == bytes(len(facts.id_key)):",
        "if False:",
    ),
    "revoked issuer": (
        "revocation",
        "if crl.get_revoked_certificate_by_serial_number(serial) is not None:",
        "if False:",
    ),
    "the key beside": (
        f"{_P}azure_cvm.verify",
        "require_claims(hcl, genuine.report.report_data)",
        "pass",
    ),
    "two keys of one name": (f"{_P}azure_cvm.runtime_claims", "if len(named) != 1:", "if False:"),
    "the position in a list": ("appraise_boot", "if selected != agreed:", "if False:"),
    "console, secure boot": (
        "appraise_boot",
        'require_demand("azure console", clause.no_console, holds=not consoles, found="on")',
        "pass",
    ),
    "identity of the quoting": (
        f"{_P}tdx.structure",
        "_require_quoting_enclave(quote, pins)\n",
        "pass\n",
    ),
    "vendor of the quoting": (
        f"{_P}tdx.structure",
        "if not hmac.compare_digest(quote.vendor, pins.vendor):",
        "if False:",
    ),
    "bytes behind the digest": (
        f"{_P}tdx.structure",
        "hmac.compare_digest(quote.enclave.report_data, digest + bytes(_HALF))",
        "hmac.compare_digest(quote.enclave.report_data[:_HALF], digest)",
    ),
    "a quote without collateral": (
        "appraise_cpu",
        "if facts.tcb_status == UNAPPRAISED:",
        "if False:",
    ),
    "TCB info or identity": (
        f"{_P}tdx.collateral",
        "_require_platform(info, sound)\n",
        "pass\n",
    ),
    "profiling bits": (f"{_P}tdx.body", "self.attributes & TD_UNDER_DEBUG", "self.attributes & 1"),
    "a domain that its host": (
        "appraise_cpu",
        'if facts.migratable:\n        raise refused("tdx',
        'if False:\n        raise refused("tdx',
    ),
    "a revoked level": (f"{_P}tdx.levels", "if status not in _ENCLAVE_STATES:", "if False:"),
    "debug domain": (f"{_P}tdx.verify", "_require_closed(sound.quote.body)\n", "pass\n"),
    "an enclave passes": (f"{_P}tdx.structure", "_require_tee(quote, tee)\n", "pass\n"),
    "the library alone": (
        f"{_P}tdx.verify",
        (
            "level = require_second_opinion(sound, parsed, at=at)\n"
            "    require_agreement(levels, level.status)"
        ),
        "level = NO_LEVEL",
    ),
    "a log of another boot": (
        f"{_P}tpm.event_log",
        'if not hmac.compare_digest(found, values.get(register, b"")):',
        "if False:",
    ),
    "pcrSelect is not": ("appraise_boot", "if selected != agreed:", "if False:"),
    "fewer or more": ("appraise_boot", "if selected != agreed:", "if False:"),
    "an unrestricted key": (
        f"{_P}tpm.public",
        "if found & _ROLES != Attributes.RESTRICTED | Attributes.SIGN:",
        "if False:",
    ),
    "the key in the evidence": (
        "appraise_boot",
        'require_in("tpm key trust", facts.key_trust, clause.key_trust)',
        "pass",
    ),
    "an incomplete event log": (
        f"{_P}tpm.event_log",
        'if not hmac.compare_digest(found, values.get(register, b"")):',
        "if False:",
    ),
    "a violation in": (
        f"{_P}tpm.ima",
        "if not hmac.compare_digest(found, value):",
        "if False:",
    ),
    "something ran before": (
        "runtime_log",
        "if not hmac.compare_digest(found, value):",
        "if False:",
    ),
    "the key lives in no": (
        f"{_P}tpm.endorsement",
        "if not hmac.compare_digest(activate(credential), secret):",
        "if not credential:",
    ),
    "the root of the device": (
        "certificates",
        'pin.require(fingerprint(chain[-1]), what=f"{what} root")',
        "pass",
    ),
    "a certificate on hold": (
        f"{_P}nvidia_gpu.revocation",
        "if status is ocsp.OCSPCertStatus.GOOD:",
        "if True:",
    ),
    "the firmware's identity": (
        f"{_P}nvidia_gpu.verify",
        "if report.opaque[FIRMWARE_ID] != certified:",
        "if False:",
    ),
    "an empty list of published": (f"{_P}nvidia_gpu.manifest", "if not active:", "if False:"),
    "counting from 0": (
        f"{_P}nvidia_gpu.manifest",
        "active[index + 1] = values",
        "active[index] = values",
    ),
    "a measurement that is left": (
        f"{_P}nvidia_gpu.compare",
        "if report.measurements.get(index) not in values",
        "if index in report.measurements and report.measurements[index] not in values",
    ),
    "two manifests": (f"{_P}nvidia_gpu.compare", "if both:", "if False:"),
    "the video decoder": (
        f"{_P}nvidia_gpu.compare",
        "if video_decoder_off(report):",
        "if True:",
    ),
    "a manifest of another": (
        f"{_P}nvidia_gpu.compare",
        "if _plain(manifest.product) != _plain(chip) or manifest.version != version:",
        "if False:",
    ),
    "signature wrapping": (
        f"{_P}nvidia_gpu.manifest",
        "if len(signatures) != 1 or signatures[0].depth != 1:",
        "if False:",
    ),
    "no manifest at all": (
        "appraise_gpus",
        'require_in("gpu driver manifest", str(gpu.driver_rim), drivers)',
        "pass",
    ),
    "GPUs in another number": (
        "appraise_gpus",
        'require_in("gpu mode", gpu.mode, clause.modes)',
        "pass",
    ),
    "GPUs in two modes": ("appraise_gpus", "if len(modes) > 1:", "if False:"),
    "a relayed GPU": (
        "binding",
        "if not hmac.compare_digest(expected_in(channel, binding), found):",
        "if False:",
    ),
    "the service's word": (
        f"{_P}nvidia_gpu.nras",
        "_require_nonce(claims, nonce)",
        "pass",
    ),
    "a device's token": (f"{_P}nvidia_gpu.nras", "_require_named(overall, detached)", "pass"),
    "cabundle[0]": (
        "certificates",
        'pin.require(fingerprint(chain[-1]), what=f"{what} root")',
        "pass",
    ),
    "tagged envelopes": (
        f"{_P}nitro.parse",
        "if not isinstance(protected, bytes) or decode(protected, what=_WHAT) != _ALGORITHM:",
        "if False:",
    ),
    "zero registers": (f"{_P}nitro.claims", "return any(", "return all("),
    "one CBOR key twice": (f"{_P}nitro.cbor", " or key in members:", ":"),
    "a document from": (
        f"{_P}nitro.verify",
        "if document.timestamp > at + MAX_CLOCK_SKEW:",
        "if False:",
    ),
    "one service's key": (
        f"{_P}maa.verify",
        "require_issuer(claims, issuer=signer.issuer, what=WHAT)",
        "pass",
    ),
    "alg none": ("tokens.jws", 'if token.header.get("alg") != agreed:', "if False:"),
    "a debug image": (
        f"{_P}confidential_space.parse",
        'text_claim(claims, "dbgstat", what=WHAT) != _DEBUG_OFF',
        'text_claim(claims, "dbgstat", what=WHAT) == "enabled"',
    ),
    "overrides of command": (
        f"{_P}confidential_space.parse",
        '*_texts(container, "cmd_override"),',
        "",
    ),
    "the key set beside": ("tokens.keys", "if pin is None:", "if not trusted:"),
    "guest attestation": ("appraise_maa", "if facts.guest:", "if False:"),
    "argument lists": ("appraise_boot", "shlex.join(facts.arguments)", '" ".join(facts.arguments)'),
    "one of several": (
        f"{_P}confidential_space.claims",
        '"\\n".join(token.nonces)',
        "token.nonces[0]",
    ),
    "what held once": (
        f"{_P}nvidia_gpu.manifest",
        "    verify_chain(chain, pin=root, at=at, what=_WHAT)\n",
        "    del root, at\n",
    ),
    "a signer of another product": (
        f"{_P}azure_uvm.endorsement",
        "if not holds:",
        "if False:",
    ),
    "an absent claim": (
        "tokens.claims",
        "value = claims.get(name)\n    if not isinstance(value, str):",
        'value = claims.get(name, "")\n    if not isinstance(value, str):',
    ),
    "an endorsement of something": (
        f"{_P}azure_uvm.endorsement",
        "if not hmac.compare_digest(found.measurement, measurement):",
        "if False:",
    ),
    "a machine with NitroTPM": (
        f"{_P}nitro.verify",
        "if document.measured is not measured:",
        "if False:",
    ),
    "padding that": (
        f"{_P}tdx.parse",
        "chain = certification.take(certification.number(4))",
        "chain = certification.take(certification.number(4)) + data[reader.taken :]",
    ),
    "HOST_DATA is taken": (
        f"{_P}sev_snp.claims",
        "found=report.report_data)",
        "found=report.host_data * 2)",
    ),
    "Turin's versions": (f"{_P}sev_snp.product", "LAYOUTS[product]", "LAYOUTS[Product.MILAN]"),
    "serial number 0": (
        f"{_P}sev_snp.vek",
        "if algorithm.encoded != inner_algorithm.encoded or",
        "if inner[1].content == bytes(1) or algorithm.encoded != inner_algorithm.encoded or",
    ),
    "unmeasured header": (
        f"{_P}azure_cvm.hcl",
        "if data[:4] != MAGIC:",
        "if data[:4] != MAGIC or any(data[16:20]):",
    ),
    "user-data is not bound": (
        "verifier",
        "bound = [item for item in claims.carried if item.channel is not Channel.FREE]",
        (
            "bound = [item for item in claims.carried"
            ' if item.channel is not Channel.FREE and item.place != "user-data"]'
        ),
    ),
    "SHA-1 alone": (
        f"{_P}tpm.algorithms",
        "return Hash(number)",
        "return Hash(Hash.SHA256 if number == 4 else number)",
    ),
    "text beside": (
        f"{_P}tpm.event_log",
        """hmac.compare_digest(
            bank.digest(self.data), self.digests.get(bank, b"")
        )""",
        "bank in self.digests",
    ),
    "jku chooses": ("tokens.keys", "issuer=pin.issuer", 'issuer=token.header.get("jku")'),
}
# Mistakes that have no place in our source to be made in, and why.
WITHOUT_ONE_CHECK: Mapping[str, str] = {
    "the nonce of an unsigned": (
        "of the wrapper only the report and the certificates are taken along; no verifier, claim"
        " or binding has a place that another member could reach"
    ),
}
