# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.contract.broker_allowance import (
    AllowanceTerms,
    LineageAllowance,
    parse_allowance,
    render_allowance,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest

FIRST, SECOND = Digest.of(b"first"), Digest.of(b"second")
TERMS = AllowanceTerms(
    party="hospital",
    epoch="0a" * 16,
    contracts={FIRST: 3, SECOND: 0},
    lineages={"hospital.stays": LineageAllowance(head=FIRST, releases_left=5)},
)


@pytest.mark.parametrize("contracts", [TERMS.contracts, {}])
@pytest.mark.parametrize("lineages", [TERMS.lineages, {}])
def test_what_is_written_is_read_again(contracts, lineages):
    terms = AllowanceTerms(
        party="hospital", epoch=TERMS.epoch, contracts=contracts, lineages=lineages
    )
    found = parse_allowance(render_allowance(terms))
    assert (found.party, found.epoch) == (terms.party, terms.epoch)
    assert (found.contracts, found.lineages) == (contracts, lineages)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("allowance.v0", "approval.v0"),
        ("0a0a", "0A0A"),
        ("runs_left = 3", "runs_left = -1"),
        ("releases_left = 5", "releases_left = 5.5"),
        ("releases_left = 5", "releases_left = 5\nnoise = 1"),
        (str(SECOND), str(FIRST)),
        ("hospital.stays", "stays"),
    ],
)
def test_any_other_document_is_malformed(old, new):
    data = render_allowance(TERMS).replace(old.encode(), new.encode(), 1)
    with pytest.raises(MalformedError):
        parse_allowance(data)


def test_a_dataset_that_is_listed_twice_is_malformed():
    text = render_allowance(TERMS).decode()
    listed = text[text.index("[[lineages]]") :]
    with pytest.raises(MalformedError):
        parse_allowance((text + "\n" + listed).encode())
