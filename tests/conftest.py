# SPDX-License-Identifier: Apache-2.0
"""Settings that hold for every test."""

from hypothesis import settings

# A busy machine must not turn a slow example into a failure: benchmarks measure, tests do not.
settings.register_profile("cleanroom", deadline=None, print_blob=True)
settings.load_profile("cleanroom")
