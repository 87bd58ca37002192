# SPDX-License-Identifier: Apache-2.0
"""A multiparty data clean room that its users can verify themselves.

The names below are the public API, with :mod:`cleanroom.errors`; everything else may
change. They are the same functions that the command line calls, and each is
imported when it is first used, so that ``import cleanroom`` costs nothing.

    profile = cleanroom.load_profile(config, "insurer")
    unlocked = cleanroom.unlock(profile, passphrase, passphrase)
    verified = cleanroom.run_query(profile, unlocked.signer, room=room, query="readmissions", ...)
    table = cleanroom.open_result(profile, unlocked, verified, room=room)
"""

from __future__ import annotations

import importlib

_HOME = {
    "AnalysisProposal": "cleanroom.runner.proposal",
    "ContractDigest": "cleanroom.contract.agreement",
    "Decision": "cleanroom.contract.approval",
    "Digest": "cleanroom.kernel.digest",
    "Pins": "cleanroom.identity.pins",
    "Profile": "cleanroom.identity.profile",
    "Proposal": "cleanroom.runner.proposal",
    "ReadyRunners": "cleanroom.runner.ready",
    "Resources": "cleanroom.contract.query",
    "ResultTable": "cleanroom.disclosure.result",
    "Unlocked": "cleanroom.identity.profile",
    "VerifiedReceipt": "cleanroom.receipt.verify",
    "announce_contract": "cleanroom.room",
    "approve_query": "cleanroom.room",
    "create_party": "cleanroom.room",
    "load_pins": "cleanroom.identity.pins",
    "load_profile": "cleanroom.identity.profile",
    "open_result": "cleanroom.room",
    "publish_party": "cleanroom.room",
    "revoke": "cleanroom.room",
    "run_query": "cleanroom.room",
    "seal": "cleanroom.room",
    "sign_contract": "cleanroom.room",
    "submit_query": "cleanroom.room",
    "trust_party": "cleanroom.room",
    "unlock": "cleanroom.identity.profile",
    "verify": "cleanroom.room",
    "verify_contract": "cleanroom.room",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - a list of the names above


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'cleanroom' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
