# SPDX-License-Identifier: Apache-2.0
"""The second opinion on generated SQL: what the engine will do, read from its own bound plan.

It answers one question: is everybody whose rows are read counted, by the owner's own key? It
refuses to know how a query was admitted or how its SQL was written, and trusts neither.
"""
