# SPDX-License-Identifier: Apache-2.0
"""Results of other people's verifiers: signed JSON tokens (RFC 7515, RFC 7519, RFC 9711).

A token says what a service concluded. It counts when a key that we trust for that
service signed it with the one algorithm of that key; nothing in its header chooses.
"""
