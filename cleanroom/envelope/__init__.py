# SPDX-License-Identifier: Apache-2.0
"""Signed bytes: SSHSIG by people, DSSE by machines."""
