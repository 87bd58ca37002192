# SPDX-License-Identifier: Apache-2.0
"""Lower the clauses of a SELECT and what joins SELECTs, in the order of SQL."""
