# Made from an attestation profile; change the contract, not this copy.
package policy

import rego.v1

default allow := false

evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]["snp"]

allow if {
	data.plugin == "resource"
	input.submods.cpu0["ear.status"] == "affirming"
	evidence.evidence.policy.debug_allowed == false
	evidence.evidence.measurement in ["6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c"]
	evidence.evidence.reported_tcb.bootloader >= 9
	evidence.evidence.reported_tcb.tee >= 0
	evidence.evidence.reported_tcb.snp >= 23
	evidence.evidence.reported_tcb.microcode >= 72
}
