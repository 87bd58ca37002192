# SPDX-License-Identifier: Apache-2.0
"""What was agreed: parties, datasets, output policies, queries, approvals, run requests."""
