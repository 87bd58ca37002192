# SPDX-License-Identifier: Apache-2.0
"""The contract's attestation profile as policies of key services that others run.

They sit behind an owner's broker and never replace it: none of them counts uses
or countersigns. Each export says which terms its target cannot express, so that
nobody takes the copy for the contract.
"""
