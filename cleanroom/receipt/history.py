# SPDX-License-Identifier: Apache-2.0
"""Do the brokers' statements fit together in history and in time?"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.state_chain import next_head
from cleanroom.contract.statements import Commit, KeyRelease
from cleanroom.errors import IntegrityError
from cleanroom.kernel.clock import format_time
from cleanroom.receipt.model import Answered, ReceiptBody
from cleanroom.receipt.steps import Found, require_same


def verify_state(
    body: ReceiptBody, *, releases: Mapping[str, KeyRelease], commits: Mapping[str, Commit]
) -> Found[None]:
    """Recompute every lineage's step: from the released head, over the entry, to the next.

    Raises:
        IntegrityError: A lineage is missing or strange, a head does not follow, or
            the answer's origin contradicts the history.
    """
    heads = {item.lineage: item.head for release in releases.values() for item in release.datasets}
    require_same(
        [step.lineage for step in body.state], sorted(heads), what="state", source="the releases"
    )
    entry = next(iter(commits.values())).entry
    # A stored answer repeats a release and adds nothing; everything else, a
    # refusal included, must leave a trace that later runs are judged against.
    require_same(
        body.answered is Answered.STORED, entry is None, what="answered", source="the commits"
    )
    for step in body.state:
        heads[step.lineage].require(step.previous, what=f"state of {step.lineage}: previous")
        expected = step.previous if entry is None else next_head(step.previous, entry)
        expected.require(step.next, what=f"state of {step.lineage}: next")
    lineages = ", ".join(sorted(heads)) or "no lineage"
    return Found(text=f"{body.answered.value}; history of {lineages} follows", value=None)


def verify_times(
    agreement: Agreement, *, releases: Mapping[str, KeyRelease], commits: Mapping[str, Commit]
) -> Found[None]:
    """Check that every broker released before it countersigned, within one common window.

    Raises:
        IntegrityError: A commit before or long after its release, a restored
            broker in between, or releases that never held at the same time.
    """
    ends = agreement.contract.expires
    for owner, commit in commits.items():
        release = releases[owner]
        # A broker restored from a backup has forgotten uses; its word is of another life.
        require_same(commit.epoch, release.epoch, what="epoch", source=f"the release of {owner}")
        # A broker may not give more time than the contract has left (T-20).
        if not release.released_at <= commit.committed_at < release.expires <= ends:
            raise IntegrityError(
                f"times of {owner}: countersigned at {format_time(commit.committed_at)}, agreed "
                f"from {format_time(release.released_at)} to {format_time(release.expires)}, "
                f"within a contract until {format_time(ends)}",
                code="receipt.times",
            )
    first = min(release.released_at for release in releases.values())
    last = max(release.released_at for release in releases.values())
    if not last < min(release.expires for release in releases.values()):
        raise IntegrityError(
            "times: one broker's release had expired before another's was given",
            code="receipt.times",
        )
    end = max(commit.committed_at for commit in commits.values())
    return Found(
        text=f"released {format_time(first)}, countersigned {format_time(end)}", value=None
    )
