# SPDX-License-Identifier: Apache-2.0
"""Lower expressions: values, calls, comparisons, subqueries, aggregates."""
