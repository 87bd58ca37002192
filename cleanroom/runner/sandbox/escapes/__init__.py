# SPDX-License-Identifier: Apache-2.0
"""Attempts to get out of a confined child, for an owner to watch on the very host.

An attempt is a function that either shows that it reached something, or raises, or
dies. The same function runs without a kernel sandbox first: what reaches nothing
there proves nothing here, and the self-test says which attempts are of that kind.
"""
