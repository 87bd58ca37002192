# SPDX-License-Identifier: Apache-2.0
"""A multiparty data clean room that its users can verify themselves."""
