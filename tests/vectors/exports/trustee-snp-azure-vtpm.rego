# Made from an attestation profile; change the contract, not this copy.
package policy

import rego.v1

default allow := false

evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]["az-snp-vtpm"]

allow if {
	data.plugin == "resource"
	input.submods.cpu0["ear.status"] == "affirming"
	evidence.policy_debug_allowed == false
	evidence.measurement in ["6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c"]
	evidence.reported_tcb_bootloader >= 9
	evidence.reported_tcb_tee >= 0
	evidence.reported_tcb_snp >= 23
	evidence.reported_tcb_microcode >= 72
	evidence.tpm.pcr04 in ["3434343434343434343434343434343434343434343434343434343434343434"]
	evidence.tpm.pcr07 in ["3737373737373737373737373737373737373737373737373737373737373737"]
}
