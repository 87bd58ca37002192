# SPDX-License-Identifier: Apache-2.0
"""A TPM in software, started by the runner itself: real quotes that prove nothing.

Whoever runs the machine can read the TPM's keys and reset its registers. The kind
exists so that the whole line runs with the bytes of a real TPM on any machine, and
it says so in every result. A contract names it alone or not at all.
"""
