# SPDX-License-Identifier: Apache-2.0
"""What can a process that works on rows still do here?

A child is confined in layers, each of which holds without the others: namespaces
(bubblewrap), Landlock, an allow-list of system calls, resource limits, a user of
its own. Which layers a host has is found out, named and compared with what the
contract asks; nothing is dropped silently. This package knows no key and no query.
"""
