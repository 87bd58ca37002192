# SPDX-License-Identifier: Apache-2.0
"""Is this evidence genuine, and is it what the contract agreed to?

The verifier of RFC 9334: evidence in, claims out, then a separate appraisal of
those claims against the contract's profile. It knows nothing of keys, data or
brokers, and it never decides that somebody may have a key.
"""
