# SPDX-License-Identifier: Apache-2.0
"""Run an approved Python analysis, and believe nothing that it hands over.

Code that an analyst wrote computes in confined processes that hold no key. What it
hands over is a frame with one row a unit; checks and sums are made elsewhere.
"""
