# SPDX-License-Identifier: Apache-2.0
"""How does a runner find work, and what if something dies meanwhile?

The daemon holds no party's key: a request key that the operator signed for asks hubs
and brokers, and each run happens in a process of its own that makes its own keys.
"""
