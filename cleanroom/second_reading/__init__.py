# SPDX-License-Identifier: Apache-2.0
"""A second parser reads the analyst's text, so that what reviewers read is what the gate read.

It answers one question: do two parsers, written by different people, see the same tables, columns,
functions and parameters? It refuses to know what any of them mean.
"""
