# SPDX-License-Identifier: Apache-2.0
"""What does an untrusted store of rooms keep, for whom, and from whom does it take it?

A hub can withhold and never alter: everything in a room is verified by whoever uses
it. What is checked here keeps parties out of each other's places and the disk from
filling up; no secret and no result depends on it.
"""
